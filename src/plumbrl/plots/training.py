"""Curves of a training; each function draws one question into one pair of axes."""

from typing import Any

import numpy as np

from plumbrl.history import History
from plumbrl.plots.lines import line, smooth
from plumbrl.plots.style import GREY, dress

__all__ = ["PANELS", "line", "smooth"]
MOST = 7
"""Curves in a panel; colours beyond would repeat."""


def returns(ax: Any, history: History) -> None:
    """Does it get better, and on held-out seeds too?"""
    line(ax, history, "rollout/ep_rew_mean", "training", "C0")
    line(ax, history, "eval/mean_reward", "held-out seeds", "C1", dots=True)
    dress(ax, "return per episode")


def lengths(ax: Any, history: History) -> None:
    """Do episodes last longer?"""
    line(ax, history, "rollout/ep_len_mean", "training", "C0")
    line(ax, history, "eval/mean_ep_length", "held-out seeds", "C1", dots=True)
    dress(ax, "episode length (steps)")


def reward_terms(ax: Any, history: History) -> None:
    """What is the return made of?"""
    for i, key in enumerate(history.named("reward/")[:MOST]):
        line(ax, history, key, key.removeprefix("reward/").replace("_", " "), f"C{i}")
    dress(ax, "reward terms per episode")


def end_causes(ax: Any, history: History) -> None:
    """How do episodes end?"""
    for i, key in enumerate(history.named("term/")[:MOST]):
        line(ax, history, key, key.removeprefix("term/").replace("_", " "), f"C{i}")
    ax.set_ylim(-0.03, 1.03)
    dress(ax, "share of episode ends")


def step_size(ax: Any, history: History) -> None:
    """How far does each update move the policy?"""
    line(ax, history, "train/approx_kl", "approx_kl", "C0")
    line(ax, history, "train/clip_fraction", "clip_fraction", "C1")
    dress(ax, "policy change per update", log=True)


def value_fit(ax: Any, history: History) -> None:
    """Does the value function explain the returns?"""
    found = line(ax, history, "train/explained_variance", "explained_variance", "C0")
    if found:
        ax.axhline(1, color=GREY, linewidth=0.8)
    known = history.points("train/explained_variance")[1]
    low = float(known[np.isfinite(known)].min(initial=0))
    ax.set_ylim(max(-1.0, low) - 0.05, 1.05)
    dress(ax, "explained variance")


def losses(ax: Any, history: History) -> None:
    """The losses, which need not fall for a policy to get better."""
    names = ("value_loss", "policy_gradient_loss", "entropy_loss", "critic_loss", "actor_loss")
    drawn = [line(ax, history, f"train/{name}", name, f"C{i}") for i, name in enumerate(names)]
    if not any(drawn):
        line(ax, history, "train/loss", "loss", "C0")
    sizes = [np.abs(curve.get_ydata()).max() for curve in ax.lines]
    if sizes and max(sizes) > 30 * max(min(sizes), np.finfo(float).tiny):
        ax.set_yscale("symlog", linthresh=0.1)
    dress(ax, "losses")


def exploration(ax: Any, history: History) -> None:
    """How wide are actions spread, and how large are the steps of the optimiser?"""
    line(ax, history, "train/std", "action std", "C0")
    line(ax, history, "train/ent_coef", "ent_coef", "C2")
    line(ax, history, "rollout/exploration_rate", "exploration_rate", "C3")
    line(ax, history, "train/learning_rate", "learning_rate", "C1")
    dress(ax, "exploration and learning rate", log=True)


PANELS = (returns, lengths, reward_terms, end_causes, step_size, value_fit, losses, exploration)
