"""Curves of a training; each function draws one question into one pair of axes."""

from typing import Any

import numpy as np

from plumbrl.history import History

Array = np.ndarray
BLUE, ORANGE, GREEN, GREY = "#3366aa", "#d9822b", "#3a8f5c", "#8a8f98"
COLOURS = (BLUE, ORANGE, GREEN, "#a04a8f", "#b8a200", "#5bb5c5", GREY)
WINDOW = 0.03
"""Share of the rows that a smoothed point looks at."""


def smooth(values: Array, share: float = WINDOW) -> Array:
    """Return centred means whose window shrinks towards the ends, so that the ends do not lie.

    Args:
        values: (n,).
        share: Of the rows in a window.
    """
    half = int(len(values) * share / 2)
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    reach = np.minimum(half, np.minimum(at, len(values) - 1 - at))
    return (total[at + reach + 1] - total[at - reach]) / (2 * reach + 1)


def line(ax: Any, history: History, key: str, label: str, colour: str, dots: bool = False) -> bool:
    """Draw one column, faint as it is and strong smoothed; return whether there was any."""
    steps, values = history.points(key)
    steps, values = steps[np.isfinite(values)], values[np.isfinite(values)]
    if not len(steps):
        return False
    if dots:
        ax.plot(steps, values, "o-", color=colour, label=label, markersize=4, linewidth=1)
        return True
    ax.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
    ax.plot(steps, smooth(values), color=colour, label=label, linewidth=1.6)
    return True


def returns(ax: Any, history: History) -> None:
    """Does it get better, and on held-out seeds too?"""
    line(ax, history, "rollout/ep_rew_mean", "training", BLUE)
    line(ax, history, "eval/mean_reward", "held-out seeds", ORANGE, dots=True)
    _dress(ax, "return per episode")


def lengths(ax: Any, history: History) -> None:
    """Do episodes last longer?"""
    line(ax, history, "rollout/ep_len_mean", "training", BLUE)
    line(ax, history, "eval/mean_ep_length", "held-out seeds", ORANGE, dots=True)
    _dress(ax, "episode length (steps)")


def reward_terms(ax: Any, history: History) -> None:
    """What is the return made of?"""
    for key, colour in zip(history.named("reward/"), COLOURS, strict=False):
        line(ax, history, key, key.removeprefix("reward/"), colour)
    _dress(ax, "reward terms per episode")


def end_causes(ax: Any, history: History) -> None:
    """How do episodes end?"""
    for key, colour in zip(history.named("term/"), COLOURS, strict=False):
        line(ax, history, key, key.removeprefix("term/").replace("_", " "), colour)
    ax.set_ylim(-0.03, 1.03)
    _dress(ax, "share of episode ends")


def step_size(ax: Any, history: History) -> None:
    """How far does each update move the policy?"""
    line(ax, history, "train/approx_kl", "approx_kl", BLUE)
    line(ax, history, "train/clip_fraction", "clip_fraction", ORANGE)
    _dress(ax, "policy change per update", log=True)


def value_fit(ax: Any, history: History) -> None:
    """Does the value function explain the returns?"""
    line(ax, history, "train/explained_variance", "explained_variance", BLUE)
    ax.axhline(1, color=GREY, linewidth=0.8)
    low = history.points("train/explained_variance")[1]
    ax.set_ylim(max(-1.0, float(low.min(initial=0))) - 0.05, 1.05)
    _dress(ax, "explained variance")


def losses(ax: Any, history: History) -> None:
    """The losses, which need not fall for a policy to get better."""
    names = ("value_loss", "policy_gradient_loss", "entropy_loss", "critic_loss", "actor_loss")
    for name, colour in zip(names, COLOURS, strict=False):
        line(ax, history, f"train/{name}", name, colour)
    _dress(ax, "losses")


def exploration(ax: Any, history: History) -> None:
    """How wide are actions spread, and how large are the steps of the optimiser?"""
    line(ax, history, "train/std", "action std", BLUE)
    line(ax, history, "train/ent_coef", "ent_coef", GREEN)
    line(ax, history, "train/learning_rate", "learning_rate", ORANGE)
    _dress(ax, "exploration and learning rate", log=True)


PANELS = (returns, lengths, reward_terms, end_causes, step_size, value_fit, losses, exploration)


def _dress(ax: Any, title: str, log: bool = False) -> None:
    from matplotlib.ticker import EngFormatter

    ax.set_title(title, fontsize=10, loc="left")
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.grid(color="#e6e8eb", linewidth=0.7)
    ax.spines[["top", "right"]].set_visible(False)
    if log and ax.lines:
        ax.set_yscale("log")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, frameon=False)
    else:
        ax.text(0.5, 0.5, "not logged", ha="center", transform=ax.transAxes, color=GREY)
