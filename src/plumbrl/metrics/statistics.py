"""Intervals for small samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

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


def rate_interval(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Return a rate with its Wilson interval.

    Unlike the bootstrap it has a width when all or none succeed: 10 of 10 gives [0.72, 1].

    Args:
        successes: How often it happened.
        trials: How often it could have.
        level: Coverage.

    Returns:
        Shares in [0, 1].

    Raises:
        ValueError: No trials, or more successes than trials.

    Reference: E. B. Wilson, Probable inference, the law of succession, and statistical inference
    (1927).
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate, shrink = successes / trials, 1 + z**2 / trials
    centre = (rate + z**2 / (2 * trials)) / shrink
    half = z * sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2)) / shrink
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Interval(rate, low, high)


def paired_rate_difference(first: Array, second: Array, *, level: float = 0.95) -> Interval:
    """Return the difference of two rates observed on the same seeds.

    It has a width when all succeed in both, unlike the bootstrap.

    Args:
        first: Successes, bool (n,).
        second: Successes of the other, paired with `first`, bool (n,).
        level: Coverage.

    Returns:
        Rate of `first` minus rate of `second`, in [-1, 1].

    Raises:
        ValueError: The two are not equally long.

    Reference: R. G. Newcombe, Improved confidence intervals for the difference between binomial
    proportions based on paired data (1998), hybrid score interval (method 8).
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} outcomes cannot be paired with {len(second)}")
    n = len(first)
    a = rate_interval(int(first.sum()), n, level=level)
    b = rate_interval(int(second.sum()), n, level=level)
    varies = 0 < first.sum() < n and 0 < second.sum() < n
    phi = float(np.corrcoef(first, second)[0, 1]) if varies else 0.0

    def half(x: float, y: float) -> float:
        return sqrt(max(0.0, x**2 - 2 * phi * x * y + y**2))

    gain = a.estimate - b.estimate
    low = gain - half(a.estimate - a.low, b.high - b.estimate)
    high = gain + half(a.high - a.estimate, b.estimate - b.low)
    return Interval(gain, low, high)


def interquartile_mean(values: Array, axis: int = -1) -> Array:
    """Return the mean of the middle half: a quarter is cut off at each end, rounded down.

    Args:
        values: (..., n); fewer than four are all kept.
        axis: Along which.
    """
    ordered = np.sort(np.moveaxis(np.asarray(values, dtype=np.float64), axis, -1), axis=-1)
    n = ordered.shape[-1]
    return ordered[..., n // 4 : n - n // 4].mean(axis=-1)


def interquartile_interval(
    strata: Sequence[Array], *, seed: int = 0, replicates: int = 2000, level: float = 0.95
) -> Interval:
    """Return the interquartile mean of all samples with its stratified bootstrap interval.

    Every replicate draws from each stratum as many as it has, so that the mix of, say, terrains
    stays what it is and only the episodes are left to chance.

    Args:
        strata: Independent samples, (n_k,) each; NaNs are refused.
        seed: Of the resampling.
        replicates: Number of bootstrap samples.
        level: Coverage.

    Raises:
        ValueError: No samples, or a NaN among them.

    Reference: R. Agarwal et al., Deep reinforcement learning at the edge of the statistical
    precipice (2021).
    """
    arrays = [np.asarray(stratum, dtype=np.float64) for stratum in strata]
    if not arrays or any(a.ndim != 1 or len(a) == 0 or np.isnan(a).any() for a in arrays):
        raise ValueError("interquartile_interval needs non-empty 1-d samples without NaN")
    rng = np.random.default_rng(seed)
    drawn = [a[rng.integers(0, len(a), (replicates, len(a)))] for a in arrays]
    tail = 50 * (1 - level)
    means = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(interquartile_mean(np.concatenate(arrays))), float(low), float(high))
