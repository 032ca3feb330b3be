"""Intervals for small samples."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"


def mean_interval(
    values: Array, *, seed: int = 0, replicates: int = 2000, level: float = 0.95
) -> Interval:
    """Return the mean and its percentile-bootstrap interval.

    Args:
        values: Independent samples, (n,); NaNs are refused.
        seed: Of the resampling.
        replicates: Number of bootstrap samples.
        level: Coverage.

    Returns:
        The interval; a single sample gives an interval of width 0, which says nothing.

    Raises:
        ValueError: No samples, or a NaN among them.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or np.isnan(values).any():
        raise ValueError("mean_interval needs a non-empty 1-d sample without NaN")
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(values), (replicates, len(values)))
    tail = 50 * (1 - level)
    low, high = np.percentile(values[picks].mean(axis=1), [tail, 100 - tail])
    return Interval(float(values.mean()), float(low), float(high))
