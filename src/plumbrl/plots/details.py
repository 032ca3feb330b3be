"""Parts of a training one by one: training against evaluation, every loss, the reward's terms."""

from typing import Any

import numpy as np

from plumbrl.history import History
from plumbrl.metrics.distributions import describe
from plumbrl.plots.lines import envelope, line, smooth
from plumbrl.plots.style import GREY, dress
from plumbrl.plots.training import MOST

Array = np.ndarray
LOSSES = {
    "train/policy_gradient_loss": "policy loss",
    "train/actor_loss": "actor loss",
    "train/value_loss": "value loss",
    "train/critic_loss": "critic loss",
    "train/loss": "loss, all parts",
    "train/entropy_loss": "entropy loss (negative entropy)",
    "train/ent_coef": "entropy coefficient",
    "train/ent_coef_loss": "loss of the entropy coefficient",
    "train/approx_kl": "approximate KL of an update",
    "train/clip_fraction": "clipped share of samples",
    "train/explained_variance": "explained variance of the returns",
    "train/learning_rate": "learning rate",
}
"""What the breakdown shows, where it was logged, by column."""
LIMITS = {"train/approx_kl": 0.1}
"""Published warning limits that are drawn."""
SPAN = 30
"""From the median to the largest value: what spans more is drawn on a logarithmic axis."""


def gap(ax: Any, history: History) -> None:
    """Does it do worse on held-out seeds than in training, and more and more so?

    Training minus evaluation, at every evaluation; the training's return is interpolated there.
    The policy explores in training, so that a value below 0 is usual.
    """
    steps, held_out = history.points("eval/mean_reward")
    at, training = history.points("rollout/ep_rew_mean")
    if len(steps) and len(at):
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.plot(steps, np.interp(steps, at, smooth(training)) - held_out, "o-", color="C3", ms=4)
    dress(ax, "training minus held-out return")


def survived(ax: Any, history: History) -> None:
    """How many held-out episodes end well?"""
    if line(ax, history, "eval/survived", "held-out seeds", "C1", dots=True):
        ax.set_ylim(-0.03, 1.03)
    dress(ax, "share of held-out episodes without a fall")


def loss(ax: Any, history: History, key: str) -> None:
    """One loss on an axis of its own, with its mean, spread and last value.

    Args:
        ax: The panel.
        history: Of the run.
        key: A column.
    """
    line(ax, history, key, "", "C0")
    values = history.points(key)[1]
    values = values[np.isfinite(values)]
    if key in LIMITS and len(values):
        ax.axhline(LIMITS[key], color="C3", linestyle="--", linewidth=1)
        ax.annotate(f"limit {LIMITS[key]:g}", (0, LIMITS[key]), xycoords=("axes fraction", "data"),
                    color="C3", fontsize=9, va="bottom")  # fmt: skip
    wide = len(values) > 0 and values.min() > 0 and values.max() > SPAN * np.median(values)
    dress(ax, LOSSES.get(key, key), log=wide)
    if len(values):
        known = describe(values)
        said = f"mean {known['mean']:.3g}  std {known['std']:.2g}  last {values[-1]:.3g}"
        ax.set_title(f"{LOSSES.get(key, key)}\n", fontsize=11)
        ax.text(0, 1.02, said, transform=ax.transAxes, fontsize=9, color=GREY)


def reward_shares(ax: Any, history: History) -> None:
    """Which term of the reward rules? Sizes of the terms over the sum of all sizes, stacked."""
    keys = history.named("reward/")[:MOST]
    known = np.isfinite(np.array([history[key] for key in keys])).all(axis=0)
    if keys and known.any():
        steps = history.steps[known]
        sizes = np.array([np.abs(smooth(history[key][known])) for key in keys])
        shares = sizes / np.maximum(sizes.sum(axis=0), np.finfo(float).tiny)
        kept = np.linspace(0, len(steps) - 1, min(len(steps), 600)).astype(int)
        names = [key.removeprefix("reward/").replace("_", " ") for key in keys]
        colours = [f"C{i}" for i in range(len(keys))]
        ax.stackplot(steps[kept], shares[:, kept], labels=names, colors=colours, alpha=0.85)
        ax.set_ylim(0, 1)
    dress(ax, "share of each term's size")
    if legend := ax.get_legend():
        legend.set_frame_on(True)


def reward_spread(ax: Any, history: History) -> None:
    """How far do single rewards lie apart? Mean and two standard deviations around it."""
    (steps, mean), (_, std) = (history.points(f"data/reward_{k}") for k in ("mean", "std"))
    if len(steps) and len(steps) == len(std):
        mean, std = smooth(mean), smooth(std)
        x, low = envelope(steps, mean - 2 * std)
        ax.plot(*envelope(steps, mean), color="C0", label="mean")
        high = np.interp(x, steps, mean + 2 * std)
        ax.fill_between(x, low, high, color="C0", alpha=0.2, linewidth=0, label="± 2 std")
    dress(ax, "single rewards")
