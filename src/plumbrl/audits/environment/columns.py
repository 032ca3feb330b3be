"""Columns of observations: which never change, repeat another, stick, jump in steps or dwarf.

Pure functions of arrays (N, D): what a column is called is known to the caller.
"""

import numpy as np

Array = np.ndarray
FEW = 200
"""Rows below which a column that does not change says nothing."""
LEVELS = 64
"""Distinct values up to which a column of real numbers is looked at for steps."""


def dead(values: Array) -> Array:
    """Return which columns never change at all, bool (D,); NaNs are passed over."""
    if len(values) == 0:
        return np.zeros(values.shape[1], dtype=bool)
    with np.errstate(all="ignore"):
        lowest, highest = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    return lowest == highest


def duplicates(values: Array) -> list[tuple[int, int]]:
    """Return pairs (earlier, later) of columns that change and are always equal."""
    seen: dict[bytes, int] = {}
    pairs = []
    still = dead(values)
    for k, column in enumerate(np.ascontiguousarray(values.T)):
        if still[k]:
            continue
        first = seen.setdefault((column + 0.0).tobytes(), k)  # -0.0 equals 0.0
        if first != k:
            pairs.append((first, k))
    return pairs


def at_edges(values: Array) -> Array:
    """Return the share of rows at the lowest or highest value that a column attains, (D,).

    Columns with at most `LEVELS` values have no edges to stick to and get 0. An edge counts if it
    is met again and again: the largest of many different values is met once.
    """
    shares = np.zeros(values.shape[1])
    for k, column in enumerate(values.T):
        column = column[np.isfinite(column)]
        if len(np.unique(column)) <= LEVELS:
            continue
        counts = [int(np.sum(column == edge)) for edge in (column.min(), column.max())]
        shares[k] = sum(c for c in counts if c > 2) / len(column)
    return shares


def steps_of(values: Array) -> Array:
    """Return the step between the levels of each column, (D,); 0 where it has none.

    A column has levels if it takes 3 to `LEVELS` values, all whole multiples of one step apart.
    """
    return np.array([_step(column[np.isfinite(column)]) for column in values.T])


def _step(column: Array) -> float:
    levels = np.unique(column)
    if not 3 <= len(levels) <= LEVELS or len(column) < 10 * len(levels):
        return 0.0
    gaps = np.diff(levels)
    step = float(gaps.min())
    multiples = gaps / step
    return step if np.all(np.abs(multiples - np.round(multiples)) < 1e-3) else 0.0


def spreads(values: Array) -> Array:
    """Return the standard deviation of each column, (D,); 0 where nothing is finite."""
    finite = np.where(np.isfinite(values), values, np.nan)
    known = np.isfinite(values).sum(axis=0) > 1
    out = np.zeros(values.shape[1])
    out[known] = np.nanstd(finite[:, known], axis=0)
    return out


def growth(values: Array, t: Array) -> Array:
    """Return how far the size of columns late in episodes is beyond that at their middle, (D,).

    1 for what stays where it was, 2 for what grows in proportion to time.

    Args:
        values: (N, D).
        t: Step within the episode, (N,).
    """
    last = t.max(initial=0)
    middle, late = (t > 0.4 * last) & (t <= 0.5 * last), t > 0.9 * last
    if min(middle.sum(), late.sum()) < 20:
        return np.ones(values.shape[1])
    sizes = [np.nanmedian(np.abs(values[rows]), axis=0) for rows in (middle, late)]
    return sizes[1] / np.maximum(sizes[0], 1e-12)
