"""Gradients and the steps an optimiser makes of them, over all arrays of a network together.

A list without entries has no norm: NaN. NaN and infinite entries show in every number.
"""

from collections.abc import Sequence

import numpy as np

from plumbrl.metrics.arithmetic import Array, double, equal_lists, mean, quiet, ratio, share


def norm_of(arrays: Sequence[Array]) -> float:
    """Return the L2 norm of all entries together, sqrt(sum x^2), at least 0.

    Of gradients before clipping. Healthy: steady within a factor of ten; what is large depends on
    the scale of the rewards, so compare with the run's own past. inf or NaN: the loss diverged;
    exactly 0: nothing reaches the parameters. NaN if there are no entries.
    """
    return statistics_of(arrays)["norm"]


@quiet
def statistics_of(arrays: Sequence[Array]) -> dict[str, float]:
    """Return norm, abs_max and mean_square of all entries together.

    Of a step (parameters after minus before an update) or of a gradient. Healthy: mean_square very
    small (step sizes of about the learning rate, squared), abs_max small yet clearly above its
    root. An abs_max a thousand times that root: a few parameters take all of the step. All NaN if
    there are no entries.

    Args:
        arrays: Of any shapes.

    Reference: A. Jones, Debugging RL, without the agonizing pain (2021), "Step statistics".
    """
    flat = [double(array).ravel() for array in arrays if np.size(array)]
    if not flat:
        return dict.fromkeys(("norm", "abs_max", "mean_square"), np.nan)
    square, n = sum(float(x @ x) for x in flat), sum(map(len, flat))
    largest = np.max([np.abs(x).max() for x in flat])
    return {"norm": float(np.sqrt(square)), "abs_max": float(largest), "mean_square": square / n}


@quiet
def update_ratio(before: Sequence[Array], after: Sequence[Array]) -> float:
    """Return how far an update moved the parameters, norm(after - before) / norm(before).

    Healthy: 1e-4 to 1e-2 per update. Above 0.1 the step is too large; below 1e-6 nothing is
    learned; 0 the optimiser does not hold these parameters. NaN where all were 0 or there are none.

    Args:
        before: Parameters before the update.
        after: The same after it, in the same order.

    Raises:
        ValueError: The two lists do not pair up.
    """
    equal_lists(before, after)
    step = [double(b) - double(a) for a, b in zip(before, after, strict=True)]
    return ratio(norm_of(step), norm_of(before))


@quiet
def noise_scale(square_small: float, square_big: float, small: int, big: int) -> float:
    """Return the simple gradient noise scale, tr(Sigma) / norm(G)^2, in samples.

    From squared norms of the mean gradient at two batch sizes b < B:
    norm(G)^2 = (B sq_B - b sq_b) / (B - b) and tr(Sigma) = (sq_b - sq_B) / (1/b - 1/B).
    The batch size at which noise and signal are equally large: much larger batches are wasted,
    much smaller ones are mostly noise. Healthy: comparable to the batch; above 100 times the batch,
    gradients are noise. One estimate is very noisy (even negative): average both squared norms
    over many updates first.

    Args:
        square_small: Mean squared gradient norm over batches of `small` samples.
        square_big: The same over batches of `big` samples.
        small: b, samples.
        big: B, samples.

    Returns:
        NaN where the estimate of norm(G)^2 is not positive, or the sizes are equal.

    Reference: S. McCandlish et al., An empirical model of large-batch training (2018), A.1.
    """
    if small == big:
        return np.nan
    signal = (big * square_big - small * square_small) / (big - small)
    noise = (square_small - square_big) / (1 / small - 1 / big)
    return ratio(noise, signal) if signal > 0 else np.nan


@quiet
def half_cosine(first: Sequence[Array], second: Sequence[Array]) -> float:
    """Return the cosine between the gradients of two halves of a batch, in [-1, 1].

    Healthy: above 0.1. About 0 the gradient is noise: larger batches, or there is nothing to learn
    from; negative at length, the halves contradict one another. NaN where one of them is 0.

    Raises:
        ValueError: The two lists do not pair up.
    """
    equal_lists(first, second)
    pairs = zip(first, second, strict=True)
    dot = sum(float(double(a).ravel() @ double(b).ravel()) for a, b in pairs)
    lengths = norm_of(first), norm_of(second)
    if 0 in lengths:
        return np.nan
    return float(np.clip(dot / lengths[0] / lengths[1], -1, 1))


@quiet
def clip_activity(norms: Array, limit: float) -> tuple[float, float]:
    """Return the share of gradient norms above the limit, and the median of norm / limit.

    Healthy: share 0 to 0.5, median below 2. A share of 1 with a median above 10: clipping sets the
    step, the learning rate is no longer what is configured; scale rewards or raise the limit.
    NaN for both where there are no norms, a NaN among them, or the limit is not positive.

    Args:
        norms: Before clipping, (n,).
        limit: Norm above which gradients are scaled down.
    """
    x = double(norms).ravel()
    if not x.size or np.isnan(x).any() or not limit > 0:
        return np.nan, np.nan
    return share(x > limit, x), float(np.median(x / limit))


def signal_ratio(true_norm: float, permuted: Array) -> float:
    """Return the policy gradient's norm over its mean norm with permuted advantages.

    Free of scale. Healthy: above 1.5. About 1, advantages tell the policy nothing: a batch too
    small, values or advantages broken, or actions without effect. NaN where no permutation was
    tried or their mean is 0.

    Args:
        true_norm: With the advantages as they are.
        permuted: With the advantages shuffled among the samples, once each, (k,).
    """
    return ratio(true_norm, mean(permuted))
