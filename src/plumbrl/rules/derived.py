"""Columns made from others: how a number moved, and whether the run is doing fine.

Everything here is causal: a row depends on itself and on those before it.
"""

import numpy as np

from plumbrl.history import Facts
from plumbrl.metrics.trends import trailing_median

Array = np.ndarray
RETURNS = ("rollout/ep_rew_mean", "eval/mean_reward")
SMOOTH = 5
"""Rows whose median is taken before a return is compared with another."""
NOISE = 3.0
"""A gain counts from so many times the noise of the return on."""
SHORTFALL = 0.35
"""A run that has lost more of its gain than this share is not doing fine any more."""
WINDOW = 64
"""Rows whose noise is looked at."""
EPISODES = 20
"""The mean return in a row is trusted as if it were of so many independent episodes."""


def return_column(columns: dict[str, Array]) -> str | None:
    """Return the name of the column that holds returns; None if there is none."""
    return next(
        (key for key in RETURNS if key in columns and np.isfinite(columns[key]).any()), None
    )


def fine(columns: dict[str, Array], facts: Facts) -> Array:
    """Return whether the run has learned, and holds what it learned, 1 or 0 per row, (n,).

    Learned: the best smoothed return so far lies above where it began (or above random actions,
    where their return is known) by three times its noise. Holds: no more than a third of that gain
    is lost. NaN in rows before the first return.
    """
    n = len(next(iter(columns.values()))) if columns else 0
    key = return_column(columns)
    if key is None:
        return np.full(n, np.nan)
    smooth = trailing_median(filled(columns[key]), SMOOTH)
    gained = gain_so_far(columns, facts)
    with np.errstate(invalid="ignore", divide="ignore"):
        lost = np.fmax.accumulate(smooth) - smooth
        shortfall = np.where(gained > 0, lost / gained, 0.0)
        good = (gained > needed_gain(columns)) & (shortfall < SHORTFALL)
    return np.where(np.isfinite(smooth), good.astype(np.float64), np.nan)


def gain_so_far(columns: dict[str, Array], facts: Facts) -> Array:
    """Return the best smoothed return up to each row less that of the start, (n,).

    Less that of random actions, where it is known. The start is the median of the first five
    returns: the very first are of the episodes that ended soonest. NaN before the fifth
    return.
    """
    key = return_column(columns)
    assert key is not None
    smooth = trailing_median(filled(columns[key]), SMOOTH)
    known = np.flatnonzero(np.isfinite(columns[key]))[:SMOOTH]
    if len(known) < SMOOTH:
        return np.full(len(smooth), np.nan)
    start = float(np.median(columns[key][known]))
    base = start if facts.random_return is None else facts.random_return
    late = np.arange(len(smooth)) >= known[-1]
    return np.where(late, np.fmax.accumulate(np.where(late, smooth, -np.inf)) - base, np.nan)


def needed_gain(columns: dict[str, Array], rows: int | None = None) -> Array:
    """Return the gain from which on a run counts as having learned, (n,): a multiple of noise.

    Noise is the standard error of a row's mean return: from its episodes where their spread is
    known, else from how it jumps.

    Args:
        columns: Of a history; one of them of returns.
        rows: Of so many last rows alone; None for all.
    """
    key = return_column(columns)
    assert key is not None
    last = slice(None if rows is None else -rows - WINDOW + 1, None)
    cut = slice(None if rows is None else -rows, None)
    spread = columns.get("rollout/ep_rew_std")
    if key == RETURNS[0] and spread is not None and np.isfinite(spread).any():
        return NOISE * trailing_median(filled(spread)[last], WINDOW)[cut] / np.sqrt(EPISODES)
    jumps = np.abs(np.diff(filled(columns[key]), prepend=np.nan))
    of_jumps = 1.4826 * trailing_median(jumps[last], WINDOW)[cut]
    return NOISE * np.where(np.isfinite(of_jumps), of_jumps, np.inf)


def filled(values: Array) -> Array:
    """Return values with the last known one carried forward, NaN before the first, (n,)."""
    known = np.isfinite(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return np.where(last >= 0, values[last], np.nan)


def share_of_start(values: Array) -> Array:
    """Return each value over that of the start, (n,); NaN where that is 0 or not known."""
    first = start(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(first != 0, values / first, np.nan)


def start(values: Array) -> float:
    """Return the median of the first three known values; NaN if there are fewer."""
    known = values[np.isfinite(values)]
    return float(np.median(known[:3])) if len(known) >= 3 else np.nan
