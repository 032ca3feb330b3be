"""How the policy explores, and how far an update moved it.

``log_ratio`` is the new log-probability of each stored action minus the old one, (n,), in nats; its
exponential is the importance ratio. A NaN in it gives NaN everywhere. What is undefined is NaN.
"""

import numpy as np

from plumbrl.metrics.arithmetic import Array, double, equal_shapes, mean, quiet, ratio, share

GAUSSIAN = float(np.sqrt(2 * np.pi * np.e))
"""Width of the uniform distribution that has the entropy of a Gaussian with std 1."""


def relative_entropy(entropies: Array, actions: int | Array) -> float:
    """Return the mean entropy of a discrete policy over that of the uniform one.

    mean(H) / mean(log(actions)), in [0, 1]: 1 = all equally likely, 0 = deterministic. Healthy:
    near 1 at first, then a fast fall, then flat between 0.1 and 0.6. Staying near 1 means that no
    policy is learned; 0 that it has collapsed and explores no more; oscillation that the learning
    rate is too high. Above 1 beyond rounding, these are not entropies over that many actions.

    Args:
        entropies: Of the policy at each state, nats, (n,).
        actions: How many there are, or are allowed at each state, (n,); NaN where they are nowhere
            more than 1, for there is nothing to choose.

    Reference: A. Jones, Debugging RL, without the agonizing pain (2021).
    """
    if not np.max(actions, initial=1) > 1:
        return np.nan
    return ratio(mean(entropies), float(np.mean(np.log(actions))))


@quiet
def relative_width(std: Array, low: Array, high: Array) -> Array:
    """Return the relative entropy of each dimension of a Gaussian policy, (A,).

    exp(H_gaussian - H_uniform) = std sqrt(2 pi e) / (high - low), at most 1: the share of the range
    that the policy effectively spreads over. Healthy: falls slowly from 0.5 to 1 towards 0.05.
    Near 0 early, a dimension has collapsed; rising while the return is flat, nothing pulls it in.
    The part of a wide Gaussian beyond the bounds is not taken off.

    Args:
        std: Standard deviations in the action's unit, (A,).
        low: Lower bounds, (A,).
        high: Upper bounds, (A,).

    Returns:
        In [0, 1]; NaN where a bound is infinite, the range empty or std negative.
    """
    std, range_ = double(std), _ranges(low, high, np.shape(std))
    return np.where(std >= 0, np.minimum(std * GAUSSIAN / range_, 1), np.nan)


@quiet
def kl_k1(log_ratio: Array) -> float:
    """Return the plain estimate of KL(old || new), mean(-log_ratio), in nats.

    Unbiased but noisy, and negative by chance when the change is small; clearly and persistently
    negative, log-probabilities are computed wrongly. Healthy: 0 before the first gradient step,
    then 0.001 to 0.05. NaN if empty.

    Reference: J. Schulman, Approximating KL divergence (2020), estimator k1.
    """
    return mean(-double(log_ratio))


@quiet
def kl_k3(log_ratio: Array) -> float:
    """Return the estimate mean(ratio - 1 - log_ratio) of KL(old || new), in nats, at least 0.

    Unbiased with less variance than `kl_k1`. Healthy: 0.001 to 0.02, on continuous tasks up to
    0.1. 0 means that nothing is learned; above 0.1 the step is too large or the samples are stale;
    inf that a ratio overflowed. NaN if empty.

    Reference: J. Schulman, Approximating KL divergence (2020), estimator k3.
    """
    x = double(log_ratio)
    terms = np.maximum(np.expm1(x) - x, 0)  # of tiny x, rounding may leave a negative difference
    return mean(np.where(x == np.inf, np.inf, terms))


@quiet
def clip_fraction(log_ratio: Array, clip_range: float) -> float:
    """Return the share of samples with abs(ratio - 1) > clip_range, in [0, 1].

    Healthy: 0.02 to 0.3, on hard continuous tasks up to 0.5. 0 for many updates: the learning rate
    is too low or nothing is learned; above 0.5 with a falling return: steps are too large. Before
    the first gradient step it is exactly 0. NaN if empty.

    Reference: J. Schulman et al., Proximal policy optimization algorithms (2017).
    """
    x = double(log_ratio)
    return share(np.abs(np.expm1(x)) > clip_range, x)


@quiet
def clip_asymmetry(log_ratio: Array, advantages: Array, clip_range: float) -> float:
    """Return the clipped share among A > 0 over the clipped share among A < 0.

    Healthy: about 1. Above 3 good actions are pushed out of range much faster than bad ones, below
    1/3 the reverse: advantages that are not centred, or a policy that moves for another reason,
    such as a large entropy bonus. NaN where one of the groups is empty, or none of A < 0 is
    clipped.

    Args:
        log_ratio: (n,).
        advantages: (n,); only the sign counts.
        clip_range: Clip range of the ratio, above 0.

    Raises:
        ValueError: Shapes differ.
    """
    equal_shapes(log_ratio=log_ratio, advantages=advantages)
    x, a = double(log_ratio), double(advantages)
    if np.isnan(a).any():
        return np.nan
    return ratio(clip_fraction(x[a > 0], clip_range), clip_fraction(x[a < 0], clip_range))


@quiet
def effective_sample_size(log_ratio: Array) -> float:
    """Return the share of samples that carry the importance-weighted estimate.

    (sum w)^2 / sum w^2 / n with w = exp(log_ratio), in [1/n, 1]: 1 = all weights equal. Healthy:
    above 0.9; below 0.5 few samples dominate the update, for the policy has moved away from the
    one that collected them. NaN if empty, or if no weight or an infinite one is left.

    Reference: A. Kong, A note on importance sampling using standardized weights (1992).
    """
    x = double(log_ratio)
    if not x.size:
        return np.nan
    w = np.exp(x - x.max())  # weights relative to the largest cannot overflow
    return float(w.sum() ** 2 / (w @ w) / len(w))


@quiet
def ratio_extremes(log_ratio: Array) -> tuple[float, float]:
    """Return the smallest and the largest importance ratio, in [0, inf].

    Healthy: 0.3 to 3 during an update, both 1 before its first gradient step. A minimum near 0 or
    a maximum above 10: single samples moved far, or old and new log-probabilities do not belong to
    the same actions. Overflow is inf; NaN if empty.
    """
    x = double(log_ratio)
    return (float(np.exp(x.min())), float(np.exp(x.max()))) if x.size else (np.nan, np.nan)


@quiet
def saturation(actions: Array, low: Array, high: Array, margin: float = 0.05) -> Array:
    """Return the share of samples near or beyond a bound, per dimension, (A,).

    Near is within margin (high - low) / 2. Healthy: below 0.2, more where the best control is
    bang-bang. Above 0.5 the policy pushes against the bounds: its mean or std is too large, or
    actions are scaled twice.

    Args:
        actions: As the policy chose them, before or after clipping, (n, A).
        low: Lower bounds, (A,).
        high: Upper bounds, (A,).
        margin: Share of half the range that counts as near.

    Returns:
        In [0, 1]; NaN for dimensions with an infinite bound or a NaN, and without samples.
    """
    x, n_dims = double(actions), np.shape(actions)[-1]
    edge = margin * _ranges(low, high, (n_dims,)) / 2
    if not len(x):
        return np.full(n_dims, np.nan)
    near = (x <= double(low) + edge) | (x >= double(high) - edge)
    return np.where(np.isnan(edge) | np.isnan(x).any(axis=0), np.nan, near.mean(axis=0))


@quiet
def action_roughness(actions: Array, episode_starts: Array, low: Array, high: Array) -> float:
    """Return the mean change of the action from step to step, as a share of its range.

    mean(abs(a_t - a_{t-1}) / (high - low)) over steps of the same episode and dimensions with
    finite bounds. Uniformly random actions give 1/3. Healthy: task dependent, falls as the policy
    becomes deterministic. Tripling while the return rises: the policy exploits the simulator by
    shaking.

    Args:
        actions: (T, B, A).
        episode_starts: Whether step t is the first of its episode, (T, B).
        low: Lower bounds, (A,).
        high: Upper bounds, (A,).

    Returns:
        At least 0, at most 1 within bounds; NaN without two steps of one episode or without a
        bounded dimension.

    Raises:
        ValueError: Shapes differ.
    """
    equal_shapes(actions=np.zeros(np.shape(actions)[:2]), episode_starts=episode_starts)
    x, range_ = double(actions), _ranges(low, high, np.shape(actions)[2:])
    bounded, goes_on = ~np.isnan(range_), ~np.asarray(episode_starts, dtype=bool)[1:]
    change = np.abs(np.diff(x, axis=0))[goes_on][:, bounded]
    return mean(change / range_[bounded])


def greedy_churn(before: Array, after: Array) -> float:
    """Return the share of states whose best action one update changed, in [0, 1].

    Healthy: a few percent. Above 0.2 late in training, values change faster than the policy can
    follow: learning rate too high or targets unstable. 0 always: nothing is learned. NaN if empty.

    Args:
        before: Best action by the network before the update, int (n,).
        after: After it, on the same states, int (n,).

    Raises:
        ValueError: Shapes differ.

    Reference: T. Schaul et al., The phenomenon of policy churn (2022).
    """
    equal_shapes(before=before, after=after)
    return mean(np.asarray(before) != np.asarray(after))


@quiet
def _ranges(low: Array, high: Array, shape: tuple[int, ...]) -> Array:
    """Return high - low, NaN where it is not finite and positive."""
    range_ = np.broadcast_to(double(high) - double(low), shape)
    return np.where(np.isfinite(range_) & (range_ > 0), range_, np.nan)
