"""Pictures of trainings, made of several panels, written to files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plumbrl.errors import UserError
from plumbrl.findings import Finding
from plumbrl.history import History
from plumbrl.plots import details, groups, training
from plumbrl.plots.marks import mark, marked, told
from plumbrl.plots.style import FORMATS, Theme, draw

__all__ = ["FORMATS", "comparison_figure", "loss_figure", "progress_figure", "reward_figure",
           "training_figure"]  # fmt: skip
SMOOTHED = (
    "Faint: as logged; strong: means over 3 % of the rows, in a window that shrinks to the ends."
)
COMPARED = {
    "rollout/ep_rew_mean": "return per episode, training",
    "eval/mean_reward": "return per episode, held-out seeds",
    "rollout/ep_len_mean": "episode length (steps)",
    "train/explained_variance": "explained variance",
    "train/approx_kl": "approximate KL of an update",
}


def training_figure(
    history: History,
    title: str,
    path: Path,
    *,
    findings: Sequence[Finding] = (),
    theme: Theme = "light",
) -> Path:
    """Draw all curves of a training into one file.

    Args:
        history: Of the run.
        title: Above the panels.
        path: `.png`, `.svg` or `.pdf`.
        findings: To mark where they were first seen.
        theme: ``light`` or ``dark``.

    Raises:
        UserError: Another kind of file is asked for, or matplotlib is not installed.
    """
    seen = marked(findings)
    caption = (
        "Tells a run that learns from one that only moves: return and held-out return rise "
        "together, explained variance goes to 1 first, the policy changes a little at every "
        f"update. {SMOOTHED}{told(seen)}"
    )

    def fill(figure: Any) -> None:
        axes = figure.subplots(2, len(training.PANELS) // 2, sharex=True)
        for panel, ax in zip(training.PANELS, axes.T.flat, strict=True):
            panel(ax, history)
            mark(ax, seen)
        _label(axes[-1])

    return draw(path, fill, title=title, caption=caption, size=(15, 7), theme=theme)


def progress_figure(
    history: History,
    title: str,
    path: Path,
    *,
    findings: Sequence[Finding] = (),
    theme: Theme = "light",
) -> Path:
    """Draw training against evaluation; arguments as `training_figure`."""
    seen = marked(findings)
    panels = (training.returns, training.lengths, details.gap, details.survived)
    caption = (
        "Tells learning from memorising: where held-out seeds keep up with training it has learnt "
        "the task; a growing gap says that it fits the training's environments. Below 0 is usual: "
        "the policy explores in training. "
        f"{SMOOTHED}{told(seen)}"
    )

    def fill(figure: Any) -> None:
        axes = figure.subplots(2, 2, sharex=True)
        for panel, ax in zip(panels, axes.flat, strict=True):
            panel(ax, history)
            mark(ax, seen)
        _label(axes[-1])

    return draw(path, fill, title=title, caption=caption, size=(11, 7), theme=theme)


def loss_figure(
    history: History,
    title: str,
    path: Path,
    *,
    findings: Sequence[Finding] = (),
    theme: Theme = "light",
) -> Path:
    """Draw every loss on an axis of its own; arguments as `training_figure`.

    Raises:
        UserError: No loss was logged; or as `training_figure`.
    """
    keys = [key for key in details.LOSSES if len(history.points(key)[0])]
    if not keys:
        raise UserError(f"{history.source or title} holds no loss, such as train/value_loss.")
    seen = marked(findings)
    caption = (
        "Tells an unstable optimiser from a steady one: losses that swing ever wider, or a KL "
        "above its limit, ask for smaller steps; losses that never move say that no gradient "
        "arrives. A policy loss need not fall while the policy improves, and a value loss grows "
        f"with the return. {SMOOTHED}{told(seen)}"
    )
    columns = min(4, len(keys))
    rows = -(-len(keys) // columns)

    def fill(figure: Any) -> None:
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for key, ax in zip(keys, axes.flat, strict=False):
            details.loss(ax, history, key)
            mark(ax, seen)
        for ax in axes.flat[len(keys) :]:
            ax.set_axis_off()
        _label(axes[-1])

    size = (3.9 * max(2, columns), 3.1 * rows)
    return draw(path, fill, title=title, caption=caption, size=size, theme=theme)


def reward_figure(
    history: History,
    title: str,
    path: Path,
    *,
    findings: Sequence[Finding] = (),
    theme: Theme = "light",
) -> Path:
    """Draw what the reward is made of; arguments as `training_figure`.

    Raises:
        UserError: Terms of the reward were not logged; or as `training_figure`.
    """
    if not history.named("reward/"):
        raise UserError(
            f"{history.source or title} holds no terms of the reward: columns named reward/<term>."
        )
    seen = marked(findings)
    caption = (
        "Tells the wanted behaviour from a term that pays better: the term that grows is what the "
        "policy learns, and one that holds nearly all of the size drowns the others. "
        f"{SMOOTHED}{told(seen)}"
    )

    def fill(figure: Any) -> None:
        axes = figure.subplots(1, 3, sharex=True)
        panels = (training.reward_terms, details.reward_shares, details.reward_spread)
        for panel, ax in zip(panels, axes, strict=True):
            panel(ax, history)
            mark(ax, seen)
        _label(axes)

    return draw(path, fill, title=title, caption=caption, size=(14, 4), theme=theme)


def comparison_figure(
    runs: Sequence[groups.Group], title: str, path: Path, *, theme: Theme = "light"
) -> Path:
    """Draw several runs over each other, seeds of a group as one band.

    Args:
        runs: In groups.
        title: Above the panels.
        path: `.png`, `.svg` or `.pdf`.
        theme: ``light`` or ``dark``.

    Raises:
        UserError: As `training_figure`.
    """
    few = any(1 < len(group.runs) < 4 for group in runs)
    caption = (
        "Tells a better training from a luckier seed: bands that do not overlap differ by more "
        "than chance. Strong: interquartile mean over seeds, of fewer than four their mean; band: "
        "95 % stratified bootstrap over seeds; thin lines and dots: single runs, smoothed over 3 % "
        "of the rows."
    ) + (" With fewer than four seeds the band is too narrow." if few else "")

    def fill(figure: Any) -> None:
        axes = figure.subplots(2, 3)
        for (key, name), ax in zip(COMPARED.items(), axes.flat, strict=False):
            groups.overlaid(ax, runs, key, name, log=key == "train/approx_kl")
            if ax is not axes.flat[0] and (legend := ax.get_legend()):
                legend.remove()
            if key == "train/explained_variance":
                ax.set_ylim(bottom=max(-1.05, ax.get_ylim()[0]))
            ax.set_xlabel("timesteps")
        groups.final_scores(
            axes.flat[-1], runs, "rollout/ep_rew_mean", "return, last 10 % of every run"
        )

    return draw(path, fill, title=title, caption=caption, size=(15, 8), theme=theme)


def _label(axes: Any) -> None:
    for ax in axes:
        if ax.axison:
            ax.set_xlabel("timesteps")
