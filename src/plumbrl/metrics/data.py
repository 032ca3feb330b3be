"""What the learner is fed: ages of samples, normalised observations.

Without samples all are NaN.
"""

import numpy as np

from plumbrl.metrics.arithmetic import Array, double, equal_shapes, mean, quiet, share


@quiet
def replay_age(rows_drawn_age: Array) -> dict[str, float]:
    """Return mean, max and ks of the relative ages of rows drawn from a replay buffer.

    The age of a row is 0 for the newest and 1 for the oldest that is stored. ks is the
    Kolmogorov-Smirnov distance of the ages' distribution from the uniform one,
    max over x of abs(F(x) - x), in [0, 1].

    Healthy with uniform sampling: mean 0.5, ks below 1.6 / sqrt(n), which chance exceeds once in
    a hundred times. A mean near 0: only recent rows are drawn; near 1: new rows are not stored or
    not reached; max clearly below 1: part of the buffer is never used. Prioritised replay differs
    by design.

    Args:
        rows_drawn_age: Relative ages, (n,).

    Returns:
        NaN where an age is.
    """
    ages = double(rows_drawn_age).ravel()
    n = len(ages)
    if not n or np.isnan(ages).any():
        return dict.fromkeys(("mean", "max", "ks"), np.nan)
    expected, below = np.clip(np.sort(ages), 0, 1), np.arange(n) / n
    ks = np.maximum(below + 1 / n - expected, expected - below).max()
    return {"mean": mean(ages), "max": float(ages.max()), "ks": float(ks)}


def unique_share(indices: Array) -> float:
    """Return the share of different rows among those drawn, in (0, 1].

    Healthy: near 1; n draws with replacement out of N rows give N (1 - (1 - 1/N)^n) / n, which is
    0.63 for n = N. Clearly less: the buffer is nearly empty, or the sampler prefers a few rows.

    Args:
        indices: Row of each sample drawn, (n,), or row and environment, (n, 2).
    """
    indices = np.asarray(indices)
    return len(np.unique(indices, axis=0)) / len(indices) if indices.size else np.nan


@quiet
def normaliser_drift(mean_now: Array, mean_before: Array, std: Array) -> float:
    """Return how far a normaliser's mean moved, max over dimensions of abs(change) / std.

    In standard deviations, at least 0. Healthy: falls towards 0. Above 0.1 late in training, stored
    observations no longer mean what they meant when they were collected, or the policy visits
    other states than before.

    Args:
        mean_now: Running mean, (D,).
        mean_before: The same some updates ago, (D,).
        std: Running standard deviation, (D,).

    Returns:
        Dimensions without spread are left out; NaN if none is left.

    Raises:
        ValueError: Shapes differ.
    """
    equal_shapes(mean_now=mean_now, mean_before=mean_before, std=std)
    change, spread = np.abs(double(mean_now) - double(mean_before)), double(std)
    left_out = spread <= 0
    return float((change / spread)[~left_out].max()) if not left_out.all() else np.nan


def outside_share(observations: Array, limit: float = 10.0) -> float:
    """Return the share of normalised entries at or beyond the clip limit, in [0, 1].

    Healthy: below 0.01. Above 0.05 information is cut off: statistics were frozen too early, or
    some entries have outliers. NaN where an entry is.

    Args:
        observations: After normalisation, (n, D).
        limit: Where the normaliser clips.
    """
    observations = np.asarray(observations)
    # a plain float takes the array's precision: float32(5.1) is at its limit and below 5.1
    return share(np.abs(observations) >= float(limit), observations)


@quiet
def dead_dimensions(observations: Array) -> int | float:
    """Return how many dimensions of the observation do not vary, std < 1e-6.

    Healthy: 0. A dead dimension is a sensor that is not connected, a constant, or something that
    normalisation divided away; a task that needs it cannot be learned.

    Args:
        observations: (n, D); further axes are flattened.

    Returns:
        A whole number; a dimension with a NaN counts as varying. NaN for fewer than two samples.
    """
    if len(observations) < 2:
        return np.nan
    x = double(observations).reshape(len(observations), -1)
    # the mean of equal large numbers may differ from them by more than 1e-6
    return int(((x.std(axis=0) < 1e-6) | (x == x[0]).all(axis=0)).sum())
