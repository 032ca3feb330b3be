"""Lines of many points: smoothed without lying at the ends, thinned without losing a spike."""

from typing import Any

import numpy as np

from plumbrl.history import History

Array = np.ndarray
WINDOW = 0.03
"""Share of the rows that a smoothed point looks at."""
COLUMNS = 400
"""Columns of pixels that a panel is taken to have; more points than two for each are thinned."""


def smooth(values: Array, share: float = WINDOW) -> Array:
    """Return centred means whose window shrinks towards the ends, so that the ends do not lie.

    The first and the last value stay what they are. A window that is cut off at one side instead
    would show a rising curve too high at its start and too low at its end.

    Args:
        values: (n,).
        share: Of the rows in a window.
    """
    half = int(len(values) * share / 2)
    first = values[:1]  # sums of differences to it stay exact where nothing changes
    total = np.concatenate([[0.0], np.cumsum(values - first)])
    at = np.arange(len(values))
    reach = np.minimum(half, np.minimum(at, len(values) - 1 - at))
    return first + (total[at + reach + 1] - total[at - reach]) / (2 * reach + 1)


def envelope(x: Array, y: Array, columns: int = COLUMNS) -> tuple[Array, Array]:
    """Return the points that a curve of `columns` pixels shows: of each column least and largest.

    Args:
        x: Not decreasing, (n,).
        y: Finite, (n,).
        columns: Of pixels.

    Returns:
        At most 2 columns + 2 points in their order, the first and the last among them; all if they
        are no more than that.
    """
    n = len(x)
    if n <= 2 * columns + 2:
        return x, y
    width = (x[-1] - x[0]) / columns
    column = np.minimum((x - x[0]) / width, columns - 1).astype(int) if width > 0 else np.zeros(n)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    counts = np.diff(starts, append=n)
    kept = [np.array([0, n - 1])]
    for extreme in (np.minimum, np.maximum):
        at = np.flatnonzero(y == np.repeat(extreme.reduceat(y, starts), counts))
        kept.append(at[np.diff(column[at], prepend=-1) > 0])  # the first of equals
    chosen = np.unique(np.concatenate(kept))
    return x[chosen], y[chosen]


def line(ax: Any, history: History, key: str, label: str, colour: str, dots: bool = False) -> bool:
    """Draw one column, faint as it is and strong smoothed; return whether there was any."""
    steps, values = history.points(key)
    steps, values = steps[np.isfinite(values)], values[np.isfinite(values)]
    if not len(steps):
        return False
    if dots:
        ax.plot(*envelope(steps, values), "o-", color=colour, label=label, ms=4, lw=1)
        return True
    ax.plot(*envelope(steps, values), color=colour, alpha=0.3, linewidth=0.8)
    ax.plot(*envelope(steps, smooth(values)), color=colour, label=label, linewidth=1.7)
    return True
