"""Several runs in one picture: seeds of the same training as one band."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.history import History
from plumbrl.metrics.statistics import Interval, interquartile_interval
from plumbrl.plots.lines import envelope, smooth
from plumbrl.plots.style import dress, say

Array = np.ndarray
POINTS = 120
"""Timesteps at which a band is computed."""
LAST = 0.1
"""Share of a run, at its end, whose mean is its final score."""


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone.

    Attributes:
        name: Theirs, without date and seed.
        runs: Histories.
    """

    name: str
    runs: tuple[History, ...]


@dataclass(frozen=True)
class Band:
    """What the runs of a group have in common at some timesteps.

    Attributes:
        steps: Where all runs have values, (n,).
        middle: Interquartile mean over runs, (n,); of fewer than four runs the mean.
        low: Lower end of its 95 % stratified bootstrap interval, (n,).
        high: Upper end, (n,).
    """

    steps: Array
    middle: Array
    low: Array
    high: Array


def group_name(path: Path) -> str:
    """Return the name of a run without date and seed: ``flat`` of ``20261121-212412_flat_s0``."""
    path = path.resolve()
    named = path.parent if path.is_file() and path.stem in _FILES else path
    name = re.sub(r"^\d{8}-\d{6}_", "", named.name if named.is_dir() else named.stem)
    name = re.sub(r"__\d+__\d+$", "", name)  # CleanRL: env, experiment, seed, time
    return re.sub(r"[_-]s(eed)?_?\d+(\.\d+)?$", "", name) or name


_FILES = {"progress", "metrics", "monitor", "evaluations"}


def grouped(named: Sequence[tuple[str, History]]) -> list[Group]:
    """Return runs by their group's name, in the order they came."""
    names = dict.fromkeys(name for name, _ in named)
    return [Group(n, tuple(run for name, run in named if name == n)) for n in names]


def band(runs: Sequence[History], key: str) -> Band | None:
    """Return the middle of several runs; None if fewer than two have the key at common timesteps.

    Every run is smoothed and interpolated to the same timesteps. Runs are resampled as a whole, the
    same ones at every timestep.
    """
    curves = [curve for run in runs if len((curve := _curve(run, key))[0]) > 1]
    if len(curves) < 2:
        return None
    first, last = max(c[0][0] for c in curves), min(c[0][-1] for c in curves)
    if first >= last:
        return None
    steps = np.linspace(first, last, POINTS)
    values = np.array([np.interp(steps, *curve) for curve in curves])
    found = [interquartile_interval([column], replicates=500) for column in values.T]
    middle, low, high = np.array([[f.estimate, f.low, f.high] for f in found]).T
    return Band(steps, middle, low, high)


def final_score(run: History, key: str) -> float:
    """Return the mean of a column over the last tenth of its rows; NaN if there are none."""
    values = _curve(run, key, window=0.0)[1]
    return float(values[-max(1, int(len(values) * LAST)) :].mean()) if len(values) else np.nan


def overlaid(ax: Any, groups: Sequence[Group], key: str, title: str, *, log: bool = False) -> None:
    """Do seeds agree, and which training does better?

    Every run is drawn thin; the middle of a group of several strong, with its 95 % band.

    Args:
        ax: The panel.
        groups: Trainings.
        key: The column.
        title: Of the panel.
        log: On a logarithmic axis.
    """
    for i, group in enumerate(groups):
        several = band(group.runs, key)
        for run in group.runs:
            thin = {"alpha": 0.35, "linewidth": 0.8} if several else {"linewidth": 1.7}
            steps, values = _curve(run, key)
            if len(steps):
                label = None if several else group.name
                ax.plot(*envelope(steps, values), color=f"C{i % 7}", label=label, **thin)
        if several:
            count = sum(len(_curve(run, key)[0]) > 1 for run in group.runs)
            what = f"{group.name}: {'IQM' if count >= 4 else 'mean'} of {count}"
            ax.plot(several.steps, several.middle, color=f"C{i % 7}", linewidth=2, label=what)
            ax.fill_between(several.steps, several.low, several.high, color=f"C{i % 7}",
                            alpha=0.2, linewidth=0)  # fmt: skip
    dress(ax, title, log=log)


def final_scores(ax: Any, groups: Sequence[Group], key: str, title: str) -> None:
    """Is the difference at the end larger than that between seeds?

    One point a run, and the interquartile mean of a group with its 95 % interval.
    """
    for i, group in enumerate(groups):
        scores = np.array([final_score(run, key) for run in group.runs])
        scores = scores[np.isfinite(scores)]
        if not len(scores):
            continue
        ax.plot(scores, np.full(len(scores), i), "o", color=f"C{i % 7}", alpha=0.45, ms=5)
        if len(scores) > 1:
            found: Interval = interquartile_interval([scores])
            ends = [[found.estimate - found.low], [found.high - found.estimate]]
            ax.errorbar(found.estimate, i, xerr=ends, fmt="D", color=f"C{i % 7}", capsize=5, ms=6)
    ax.set_title(title)
    if not ax.has_data():
        say(ax, "not logged")
        return
    ax.set_yticks(range(len(groups)), [f"{g.name} ({len(g.runs)})" for g in groups])
    ax.set_ylim(len(groups) - 0.5, -0.5)


def _curve(run: History, key: str, window: float = 0.03) -> tuple[Array, Array]:
    steps, values = run.points(key)
    known = np.isfinite(values)
    return steps[known], smooth(values[known], window)
