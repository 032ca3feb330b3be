"""How a sample is distributed: targets, values, advantages, rewards, gradients."""

import numpy as np

from plumbrl.metrics.arithmetic import Array, double, quiet

KEYS = ("min", "max", "mean", "std", "abs_max", "kurtosis")
LARGEST = 1e300
"""Beyond it the width of a histogram overflows; such entries count in its outermost bins."""


@quiet
def describe(values: Array) -> dict[str, float]:
    """Return min, max, mean, std, abs_max and kurtosis of the finite entries.

    std is that of the population, sqrt(mean((x - mean)^2)); kurtosis is the excess,
    mean((x - mean)^4) / std^4 - 3, which is 0 for a Gaussian. All but kurtosis have the unit of
    the values.

    Healthy: advantages and value targets of a few units, in [-10, 10], kurtosis below about 10.
    A large kurtosis means that a few samples carry the update: rare large rewards, or a few broken
    ones. A mean of advantages far from 0 (beyond 0.2 std) speaks against their computation.

    Args:
        values: Any shape; NaN and infinite entries are left out, so count them elsewhere.

    Returns:
        Six numbers; all NaN if no entry is finite, kurtosis NaN where all are equal (std is 0).

    Reference: A. Jones, Debugging RL, without the agonizing pain (2021), "Log excessively".
    """
    x = double(values)
    x = x[np.isfinite(x)]
    if not x.size:
        return dict.fromkeys(KEYS, np.nan)
    low, high = float(x.min()), float(x.max())
    ends = {"min": low, "max": high, "abs_max": max(abs(low), abs(high))}
    if low == high:  # the mean of equal numbers may differ from them by rounding
        return {**ends, "mean": low, "std": 0.0, "kurtosis": np.nan}
    square = (x - x.mean()) ** 2
    kurtosis = np.mean((square / square.mean()) ** 2) - 3
    return {
        **ends, "mean": float(x.mean()), "std": float(np.sqrt(square.mean())),
        "kurtosis": float(kurtosis),
    }  # fmt: skip


def histogram(values: Array, bins: int = 20) -> tuple[Array, Array]:
    """Return counts (bins,) and edges (bins + 1,) of the finite entries, from least to largest.

    Bins are equally wide, closed below and open above, the last closed on both sides.

    Args:
        values: Any shape; NaN and infinite entries are left out.
        bins: How many, at least 1.

    Returns:
        Counts that sum to the number of finite entries, and increasing edges in the values' unit;
        no finite entry gives counts of 0 and edges of NaN. Values that are all equal, or differ
        only by rounding, lie in the middle of edges half their size, at least 0.5, apart from them.
    """
    x = double(values)
    x = np.clip(x[np.isfinite(x)], -LARGEST, LARGEST)
    if not x.size:
        return np.zeros(bins, np.int64), np.full(bins + 1, np.nan)
    low, high = x.min(), x.max()
    size = max(abs(low), abs(high))
    if high - low <= 8 * bins * np.spacing(size):
        low, high = low - max(size, 1) / 2, high + max(size, 1) / 2
    return np.histogram(x, bins, (low, high))
