"""How a policy's returns compare with those of chance and of an expert."""

import numpy as np

from plumbrl.metrics.statistics import Interval

Array = np.ndarray


def difference_interval(
    one: Array, other: Array, *, seed: int = 0, replicates: int = 2000, level: float = 0.95
) -> Interval:
    """Return mean(one) - mean(other) with its stratified bootstrap interval.

    Args:
        one: Independent samples, (n,).
        other: Independent samples, (m,).
        seed: Of the resampling; either group is resampled on its own.
        replicates: Number of bootstrap samples.
        level: Coverage.

    Returns:
        The interval, in the unit of the samples; single samples give one of width 0, which says
        nothing.

    Raises:
        ValueError: A group is empty or holds a NaN.
    """
    rng = np.random.default_rng(seed)
    differences = _means(one, replicates, rng) - _means(other, replicates, rng)
    return _interval(float(np.mean(one) - np.mean(other)), differences, level)


def gap_closed(
    trained: Array, random: Array, expert: Array, *, seed: int = 0, replicates: int = 2000,
    level: float = 0.95,
) -> Interval:  # fmt: skip
    """Return (J - J_random) / (J_expert - J_random) with its stratified bootstrap interval.

    0 = no better than chance, 1 = as good as the expert; below 0 and above 1 both occur. Healthy
    after training: above 0.5. Meaningful only where the expert is clearly better than chance;
    replicates in which it is not are left out.

    Args:
        trained: Returns of the trained policy, (n,).
        random: Returns of random actions, (m,).
        expert: Returns of a policy that is known to do the task, (k,).
        seed: Of the resampling; each group is resampled on its own.
        replicates: Number of bootstrap samples.
        level: Coverage.

    Returns:
        The interval; NaN throughout if the expert is nowhere better than chance.

    Raises:
        ValueError: A group is empty or holds a NaN.
    """
    rng = np.random.default_rng(seed)
    j, low, high = (_means(group, replicates, rng) for group in (trained, random, expert))
    width = np.mean(expert) - np.mean(random)
    if not width > 0:
        return Interval(np.nan, np.nan, np.nan)
    better = high > low
    gaps = (j - low)[better] / (high - low)[better]
    return _interval(float((np.mean(trained) - np.mean(random)) / width), gaps, level)


def _means(values: Array, replicates: int, rng: np.random.Generator) -> Array:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values) or np.isnan(values).any():
        raise ValueError("a gap needs non-empty 1-d samples without NaN")
    return values[rng.integers(0, len(values), (replicates, len(values)))].mean(axis=1)


def _interval(estimate: float, replicates: Array, level: float) -> Interval:
    tail = 50 * (1 - level)
    low, high = np.percentile(replicates, [tail, 100 - tail])
    return Interval(estimate, float(low), float(high))
