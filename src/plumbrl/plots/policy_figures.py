"""Pictures of how a policy behaves, each with what it decides below it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from plumbrl.plots import behaviour
from plumbrl.plots.coverage import coverage
from plumbrl.plots.style import Theme, draw, say
from plumbrl.snapshots.recording import Recordings

DIMS = 6
"""Dimensions of an action that are drawn."""
Drawn = Callable[[Recordings, str, Path, Theme], Path]


def actions_figure(recordings: Recordings, title: str, path: Path, theme: Theme = "light") -> Path:
    """Draw the distribution of every dimension's actions.

    Args:
        recordings: Of the policy.
        title: Above the panels.
        path: `.png`, `.svg` or `.pdf`.
        theme: ``light`` or ``dark``.
    """
    caption = (
        "Tells a policy that controls from one that is stuck: actions in one place (CONSTANT) say "
        "that nothing was learnt, actions piled up at the dashed bounds (SATURATED, within 5 % of "
        "one on more than half of the steps) that mean or spread are too large or scaled twice."
    )
    return _by_dimension(recordings, title, path, theme, caption, behaviour.action_distribution)


def trajectory_figure(
    recordings: Recordings, title: str, path: Path, theme: Theme = "light"
) -> Path:
    """Draw the actions of one deterministic episode; arguments as `actions_figure`."""
    episode = recordings.deterministic[0]
    count = min(DIMS, len(recordings.low))

    def fill(figure: Any) -> None:
        axes = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        for dim, ax in enumerate(axes):
            behaviour.action_trajectory(ax, episode, recordings, dim)
        axes[-1].set_xlabel(f"step of the episode with seed {episode.seed}, deterministic")

    caption = (
        "Tells smooth control from shaking: random actions change by a third of their range from "
        "step to step; much more than a tenth wears a real robot out, or exploits the simulator."
    )
    return draw(
        path, fill, title=title, caption=_less(recordings, caption), size=(10, 2.2 * count + 0.6),
        theme=theme,
    )  # fmt: skip


def modes_figure(recordings: Recordings, title: str, path: Path, theme: Theme = "light") -> Path:
    """Draw deterministic against stochastic episodes; arguments as `actions_figure`."""

    def fill(figure: Any) -> None:
        first, second = figure.subplots(1, 2)
        behaviour.modes_return(first, recordings)
        behaviour.modes_spread(second, recordings)

    caption = (
        "Tells exploration that costs return from exploration that is needed: stochastic far below "
        "deterministic means too much noise for this stage; the reverse, that the mean action is "
        "not yet what the policy has learnt. Diamonds: interquartile means with 95 % intervals."
    )
    return draw(path, fill, title=title, caption=caption, size=(11, 4.2), theme=theme)


def uncertainty_figure(
    recordings: Recordings, title: str, path: Path, theme: Theme = "light"
) -> Path:
    """Draw the spread of actions at one moment; arguments as `actions_figure`."""
    caption = (
        "A deterministic policy: it has no spread of its own, and explores only by noise that its "
        "training adds."
        if not len(recordings.samples)
        else "Tells a policy that has decided from one that is guessing: "
        f"{len(recordings.samples)} draws, clipped to the bounds, at step {recordings.samples_at} "
        "of the first episode. A spread as wide as the range late in training says that nothing "
        "pulls it in; no spread early, that exploration has collapsed."
    )
    return _by_dimension(recordings, title, path, theme, caption, behaviour.uncertainty)


def ends_figure(recordings: Recordings, title: str, path: Path, theme: Theme = "light") -> Path:
    """Draw what ends episodes; arguments as `actions_figure`."""
    rows = behaviour.ends(recordings.deterministic)
    told = "; ".join(
        f"{cause.replace('_', ' ')}: {count} of {len(recordings.deterministic)}, "
        f"after {length:.0f} steps with return {value:.4g} on average"
        for cause, count, length, value in rows[:4]
    )
    caption = (
        "Tells which failure to work on first; hatched causes are terminal states, whiskers 95 % "
        f"Wilson intervals. Deterministic: {told}."
    )
    size = (9, 1.3 + 0.75 * max(2, len(rows)))
    return draw(
        path, lambda figure: behaviour.end_causes(figure.subplots(), recordings), title=title,
        caption=caption, size=size, theme=theme,
    )  # fmt: skip


def episode_figure(recordings: Recordings, title: str, path: Path, theme: Theme = "light") -> Path:
    """Draw reward and value over the episode with the least return; as `actions_figure`."""
    worst = min(recordings.deterministic, key=lambda e: e.rewards.sum())

    def fill(figure: Any) -> None:
        first, second = figure.subplots(1, 2)
        behaviour.reward_over_episode(first, worst)
        behaviour.value_over_episode(second, worst)

    caption = (
        "Tells a policy that fails unseen from a value function that knows: a value that falls "
        "before the return does saw it coming; one that stays flat is blind to it. The worst of "
        f"{len(recordings.deterministic)} episodes: seed {worst.seed}, return "
        f"{worst.rewards.sum():.4g}, ended by {worst.cause.replace('_', ' ')}."
    )
    return draw(path, fill, title=title, caption=caption, size=(12, 4.2), theme=theme)


def coverage_figure(recordings: Recordings, title: str, path: Path, theme: Theme = "light") -> Path:
    """Draw which states are visited; arguments as `actions_figure`."""

    def fill(figure: Any) -> None:
        axes = figure.subplots(1, 2, sharex=True, sharey=True)
        coverage(axes[0], recordings)
        if recordings.stochastic:
            coverage(axes[1], recordings, "stochastic")
        else:
            say(axes[1], "a policy without a distribution: it does not explore by itself")

    caption = (
        "Tells a policy that has seen the task from one that walks a single path: brighter is "
        "visited more often (logarithmic). PCA: principal components of all episodes, with their "
        "share of the variance and the numbers that weigh most. Ends on the rim of what was "
        "visited are where it leaves what it knows."
    )
    return draw(path, fill, title=title, caption=caption, size=(12.5, 5), theme=theme)


FIGURES: dict[str, Drawn] = {
    "actions": actions_figure,
    "trajectory": trajectory_figure,
    "modes": modes_figure,
    "uncertainty": uncertainty_figure,
    "ends": ends_figure,
    "episode": episode_figure,
    "coverage": coverage_figure,
}
"""By the name of the file."""


def _by_dimension(
    recordings: Recordings, title: str, path: Path, theme: Theme, caption: str, panel: Any
) -> Path:
    count = min(DIMS, len(recordings.low))
    columns = min(3, count)
    rows = -(-count // columns)

    def fill(figure: Any) -> None:
        axes = figure.subplots(rows, columns, squeeze=False)
        for dim, ax in enumerate(axes.flat[:count]):
            panel(ax, recordings, dim)
            legend = ax.get_legend()
            if dim and legend and panel is behaviour.action_distribution:
                legend.remove()
        for ax in axes.flat[count:]:
            ax.set_axis_off()

    size = (max(8.0, 4.3 * columns), 3.4 * rows)
    return draw(path, fill, title=title, caption=_less(recordings, caption), size=size, theme=theme)


def _less(recordings: Recordings, caption: str) -> str:
    count = len(recordings.low)
    return caption + (f" The first {DIMS} of {count} dimensions." if count > DIMS else "")
