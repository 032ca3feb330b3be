"""Steps that rise: restarts, disorder, and series with clocks of their own."""

from collections.abc import Mapping

import numpy as np

Array = np.ndarray


def filled(steps: Array) -> Array:
    """Give rows without a step that of the row before, and the first ones that of the first known.

    SB3 writes the numbers of the last update into a row without any timesteps.
    """
    known = np.isfinite(steps)
    if not known.any():
        return steps
    last = np.maximum.accumulate(np.where(known, np.arange(len(steps)), -1))
    return steps[np.where(last < 0, int(np.argmax(known)), last)]


def in_order(steps: Array) -> tuple[Array, str | None]:
    """Return which rows to keep, in which order, so that steps do not fall; and what was done.

    Steps that go back now and then mean a restart from an earlier moment: what was logged before
    and is repeated later is left out. Steps that go back all the time mean rows in disorder.

    Args:
        steps: Finite, (n,).
    """
    everything = np.arange(len(steps))
    back = np.flatnonzero(np.diff(steps) < 0)
    if not len(back):
        return everything, None
    if len(back) > 1 and 3 * (len(back) + 1) > len(steps):
        return np.argsort(steps, kind="stable"), "Rows in disorder were sorted by their steps."
    starts = steps[back + 1]
    limits = np.append(np.minimum.accumulate(starts[::-1])[::-1], np.inf)
    part = np.searchsorted(back, everything, side="left")
    kept = everything[steps < limits[part]]
    once = f"Steps went back from {steps[back[0]]:.0f} to {starts[0]:.0f}"
    often = f"Steps went back {len(back)} times"
    gone = len(steps) - len(kept)
    return kept, (
        f"{once if len(back) == 1 else often}, as after a restart; "
        f"{gone} earlier row{'s' * (gone != 1)} from there on {'were' if gone != 1 else 'was'} "
        "left out."
    )


def aligned(
    series: Mapping[str, tuple[Array, Array]], notes: list[str]
) -> tuple[Array, dict[str, Array]]:
    """Put series with steps of their own into common rows.

    A series that has several values at one step, such as episodes that end together, gets as many
    rows there.

    Args:
        series: Steps and values by name, in the order of writing.
        notes: Is told of what had to be mended.

    Returns:
        Steps, not decreasing, (n,), and columns, (n,) each.
    """
    mended = {name: _mended(*pair, notes) for name, pair in series.items()}
    steps = np.unique(np.concatenate([pair[0] for pair in mended.values()] or [np.empty(0)]))
    places = {name: _places(pair[0], steps) for name, pair in mended.items()}
    most = 1 + max((int(again.max(initial=0)) for _, again in places.values()), default=0)
    keys = {name: rank * most + again for name, (rank, again) in places.items()}
    rows = np.unique(np.concatenate(list(keys.values()) or [np.empty(0, dtype=np.int64)]))
    columns = {}
    for name, (_, values) in mended.items():
        columns[name] = np.full(len(rows), np.nan)
        columns[name][np.searchsorted(rows, keys[name])] = values
    return steps[rows // most], columns


def _mended(steps: Array, values: Array, notes: list[str]) -> tuple[Array, Array]:
    kept, note = in_order(steps)
    if note and note not in notes:
        notes.append(note)
    return steps[kept], values[kept]


def _places(own: Array, steps: Array) -> tuple[Array, Array]:
    """Return the rank of every step among all, and the how-manieth value at that step it is."""
    return np.searchsorted(steps, own), np.arange(len(own)) - np.searchsorted(own, own)
