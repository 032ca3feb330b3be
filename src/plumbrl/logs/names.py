"""From other writers' names to ours: `names.yaml` holds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from plumbrl.shipped import table as shipped_table

Array = np.ndarray
UNNAMED = ("step", "_step")
"""Columns of steps whose names do not say what is counted."""


@dataclass(frozen=True)
class Name:
    """What a writer's column is here.

    Attributes:
        to: Our name.
        times: Factor that makes it the same quantity.
        over: Episodes to average over; 0 if the writer did.
    """

    to: str
    times: float = 1.0
    over: int = 0


@cache
def table() -> dict[str, Any]:
    """Return the whole table."""
    return shipped_table("plumbrl.logs", "names.yaml")


@cache
def _names() -> dict[str, Name]:
    columns = table()["columns"].items()
    return {k: Name(**v) if isinstance(v, dict) else Name(v) for k, v in columns}


@cache
def _step_names() -> list[str]:
    return [name.lower() for name in (*table()["steps"], *table()["counters"])]


def is_step(name: str) -> bool:
    """Whether a column of that name holds steps, or what may stand for them."""
    return name.lower() in _step_names()


def step_column(columns: Mapping[str, Array]) -> str | None:
    """Return the best column of steps that holds any numbers."""
    known = [name for name in columns if is_step(name) and np.isfinite(columns[name]).any()]
    return min(known, key=lambda name: _step_names().index(name.lower()), default=None)


def clock_note(columns: Mapping[str, Array], step: str | None) -> str | None:
    """Say so if steps count something else than timesteps."""
    if step and step.lower() in table()["counters"]:
        return f"Steps are {step!r}, not timesteps."
    for writer, marks in table()["iterations"].items():
        unnamed = step is None or step.lower() in UNNAMED
        if unnamed and any(mark in columns for mark in marks):
            return f"{writer} logs learning iterations: steps are these, not timesteps."
    return None


def canonical(columns: Mapping[str, Array], notes: list[str]) -> dict[str, Array]:
    """Return columns under our names, in the same quantities; unknown names stay."""
    taken, new = set(columns), {}
    for theirs, name in _names().items():
        if theirs in columns and name.to not in taken:
            taken.add(name.to)
            new[theirs] = name
    found: dict[str, Array] = {}
    for theirs, values in columns.items():
        name = new.get(theirs)
        if name is None or name.over:
            found[theirs] = values
        if name is not None:
            found[name.to] = _trailing(values, name.over) if name.over else _times(values, name)
            if name.over:
                notes.append(f"{name.to} is the mean of {theirs} over {name.over} episodes.")
    return {name: values for name, values in found.items() if name not in table()["dropped"]}


def _times(values: Array, name: Name) -> Array:
    with np.errstate(over="ignore"):
        return values * name.times


def _trailing(values: Array, over: int) -> Array:
    """Return, where there is a finite number, the mean of the last ones up to there."""
    result = np.full(len(values), np.nan)
    at = np.flatnonzero(np.isfinite(values))
    result[at] = trailing_mean(values[at], over)
    return result


def trailing_mean(values: Array, over: int) -> Array:
    """Return the mean of the last values up to each, fewer at the start.

    Args:
        values: Finite, (n,).
        over: Values in a mean.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        start = np.cumsum(values[: over - 1]) / np.arange(1, len(values[: over - 1]) + 1)
        if len(values) < over:
            return start
        return np.concatenate([start, sliding_window_view(values, over).mean(axis=1)])
