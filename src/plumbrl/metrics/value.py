"""Whether values predict returns: V of on-policy, Q of off-policy trainers.

What is undefined is NaN; so is everything computed from a NaN, unless said otherwise.
"""

from collections.abc import Sequence

import numpy as np

from plumbrl.metrics.arithmetic import (
    Array,
    correlation,
    double,
    equal_shapes,
    is_constant,
    mean,
    quiet,
    ratio,
    share,
)
from plumbrl.metrics.distributions import describe
from plumbrl.metrics.gradients import update_ratio
from plumbrl.metrics.returns import discounted_returns, same_shape

FEWEST = 5
"""Episodes below which a correlation says nothing."""


def explained_variance(values: Array, returns: Array) -> float:
    """Return 1 - Var(returns - values) / Var(returns), in (-inf, 1].

    1 = perfect, 0 = no better than predicting the mean, negative = worse than the mean. Healthy:
    rises from 0 to between 0.3 and 0.99; below 0 for many updates after the start the critic is
    broken. Against lambda-returns, which contain the values, it flatters: a reversed advantage
    reached 0.99. Measure it on Monte-Carlo returns of episodes that were not trained on.

    Args:
        values: Estimates, (n,).
        returns: What they should be, (n,).

    Returns:
        NaN where returns hardly vary, Var <= 1e-10 (1 + mean^2), or there are none.

    Raises:
        ValueError: Shapes differ.
    """
    return 1 - residual_variance(values, returns)


@quiet
def residual_variance(values: Array, returns: Array) -> float:
    """Return Var(returns - values) / Var(returns), at least 0.

    Healthy: near 1 at first, a fast fall, then a slow one. Staying near 1 the critic learns
    nothing; exactly 0 the behaviour has collapsed into one that is trivial to predict; above 1
    predictions are worse than the mean; oscillation: learning rate too high. NaN as for
    `explained_variance`, which is 1 minus this; arguments and errors too.

    Reference: A. Jones, Debugging RL, without the agonizing pain (2021).
    """
    equal_shapes(values=values, returns=returns)
    v, g = double(values), double(returns)
    if not g.size or g.var() <= 1e-10 * (1 + g.mean() ** 2):
        return np.nan
    return ratio((g - v).var(), g.var())


@quiet
def calibration(values: Array, returns: Array) -> tuple[float, float]:
    """Return slope and offset of the least-squares line of returns on values.

    slope = Cov(V, G) / Var(V), offset = mean(G) - slope mean(V), in the unit of returns. Healthy:
    slope 0.8 to 1.2 and an offset small against the spread of returns. A slope below 0.5: values
    exaggerate differences between states; above 2: they hardly tell states apart; negative: they
    are reversed. A large offset with slope 1: values are biased, as by a wrong discount.

    Args:
        values: Estimates, (n,).
        returns: Monte-Carlo returns of the same steps, (n,).

    Returns:
        NaN for both where values are constant up to rounding, or there are none.

    Raises:
        ValueError: Shapes differ.
    """
    equal_shapes(values=values, returns=returns)
    v, g = double(values).ravel(), double(returns).ravel()
    if is_constant(v):
        return np.nan, np.nan
    slope = ((v - v.mean()) @ (g - g.mean())) / ((v - v.mean()) @ (v - v.mean()))
    return float(slope), float(g.mean() - slope * v.mean())


def monte_carlo_returns(rewards: Array, episode_ends: Array, gamma: float) -> tuple[Array, Array]:
    """Return the discounted rewards to the end of each step's episode, and where that is known.

    G_t = r_t + gamma G_{t+1} within an episode. No value estimate enters, so it judges one. After
    a time limit it lacks what would have followed; leave such episodes out where that matters.

    Args:
        rewards: (T, B).
        episode_ends: Whether step t was the last of its episode, (T, B).
        gamma: Discount factor per step, in [0, 1].

    Returns:
        Returns, NaN where the rollout ends before the episode, and the mask of the others; (T, B).

    Raises:
        ValueError: Shapes differ.
    """
    ends = np.asarray(episode_ends, dtype=bool)
    same_shape(rewards, ends)
    known = np.logical_or.accumulate(ends[::-1], axis=0)[::-1]
    nothing = np.zeros(ends.shape)
    returns = discounted_returns(
        double(rewards), ends, nothing.astype(bool), nothing, np.zeros(ends.shape[1]), gamma
    )
    return np.where(known, returns, np.nan), known


def terminal_correlation(
    values: Array, rewards: Array, episode_ends: Array, episode_starts: Array
) -> tuple[float, float]:
    """Return how values near the end of episodes correlate with the last reward, in [-1, 1].

    First: the value at an episode's last step, of the last observation that the policy acted on,
    with that step's reward. Second, penultimate: the value one step earlier with the same reward.
    Only useful where much of the reward comes at the end. Healthy: both rise from 0 to near 1. The
    first near 0 while other value metrics look good: returns are wrong near termination. The first
    high and the second low: returns are not carried backwards.

    Args:
        values: Estimates at each step, (T, B).
        rewards: (T, B).
        episode_ends: Whether step t was the last of its episode, (T, B).
        episode_starts: Whether it was the first, (T, B).

    Returns:
        NaN for fewer than 5 episodes, where the last rewards do not vary
        (std <= 1e-8 (1 + abs(mean))) or values are constant. The penultimate value must lie in the
        rollout, in an episode of two steps or more.

    Raises:
        ValueError: Shapes differ.

    Reference: A. Jones, Debugging RL, without the agonizing pain (2021).
    """
    ends = np.asarray(episode_ends, dtype=bool)
    same_shape(values, rewards, ends, episode_starts)
    v, r = double(values), double(rewards)
    longer = ends[1:] & ~np.asarray(episode_starts, dtype=bool)[1:]
    return _with_last(v[ends], r[ends]), _with_last(v[:-1][longer], r[1:][longer])


def feasible_range(
    reward_min: float, reward_max: float, gamma: float, entropy_bonus: float = 0.0
) -> tuple[float, float]:
    """Return the least and the largest value that rewards in a range allow.

    (min(r_min, 0) - bonus) / (1 - gamma) to (max(r_max, 0) + bonus) / (1 - gamma). 0 counts as a
    reward because episodes end: all that follows is 0, so a task with rewards of at least 1 may
    still have a return of 1. A value outside cannot be right whatever the policy does.

    Args:
        reward_min: Least reward of a step.
        reward_max: Largest reward of a step.
        gamma: Discount factor per step.
        entropy_bonus: Largest size of the entropy term added per step (SAC: alpha times entropy).

    Returns:
        In the unit of returns; infinite where gamma is 1 or more.
    """
    if gamma >= 1:
        return -np.inf, np.inf
    low, high = float(np.minimum(reward_min, 0)), float(np.maximum(reward_max, 0))
    bonus = abs(entropy_bonus)
    return (low - bonus) / (1 - gamma), (high + bonus) / (1 - gamma)


@quiet
def share_outside(values: Array, low: float, high: float, slack: float = 0.01) -> float:
    """Return the share of values beyond a range widened by a part of its width, in [0, 1].

    Healthy: 0; solved runs reach 0.5 % beyond the `feasible_range`, which the slack allows. More
    for several updates: values diverge, a terminal state is bootstrapped, or the discount of the
    targets is not the configured one. A range of width 0 (all rewards 0) allows nothing but 0.

    Args:
        values: Any shape.
        low: Least value.
        high: Largest value.
        slack: Widening at each end, as a share of the width; none where that is infinite.

    Returns:
        NaN if there are no values, or a NaN among them or in the range.
    """
    width = high - low
    beyond = slack * width if np.isfinite(width) else 0.0
    if np.isnan(low) or np.isnan(high):
        return np.nan
    v = double(values)
    return share((v < low - beyond) | (v > high + beyond), v)


@quiet
def q_bias(q: Array, returns: Array) -> float:
    """Return mean(q - G) / mean(abs(G)): how much Q overestimates, as a share of returns.

    Healthy: within 0.2, on hard tasks 0.5. Positive and growing above 1: overestimation, for which
    twin critics, slower targets or a lower discount help. Clearly negative: targets are too low,
    as where time limits are taken for terminal states.

    Args:
        q: Estimates of the state-action pairs visited on-policy, (n,).
        returns: Monte-Carlo returns from them, (n,).

    Returns:
        NaN where all returns are 0, or there are none.

    Raises:
        ValueError: Shapes differ.

    Reference: H. van Hasselt et al., Deep reinforcement learning with double Q-learning (2016).
    """
    equal_shapes(q=q, returns=returns)
    g = double(returns)
    return ratio(mean(double(q) - g), mean(np.abs(g)))


@quiet
def twin_gap(first: Array, second: Array) -> float:
    """Return mean(abs(q1 - q2)) over the standard deviation of both together, at least 0.

    Healthy: about 0.005 on a solved task, larger early. Above 0.5 late the critics disagree about
    everything; exactly 0 they share weights, and taking the lesser of them does nothing.

    Args:
        first: Q by the first critic, (n,).
        second: Q by the second of the same pairs, (n,).

    Returns:
        NaN if empty.

    Raises:
        ValueError: Shapes differ.
    """
    equal_shapes(first=first, second=second)
    a, b = double(first), double(second)
    if a.size and np.array_equal(a, b):
        return 0.0
    return ratio(mean(np.abs(a - b)), float(np.std([a, b])) if a.size else np.nan)


@quiet
def td_error_stats(errors: Array, terminal: Array) -> dict[str, float]:
    """Return mean, std, abs_mean, kurtosis and terminal_share of temporal-difference errors.

    terminal_share is the terminal rows' share of sum(abs(error)) over their share of the rows.
    Healthy: mean about 0 against std, heavy tails early, terminal_share of 1 to 3. A mean that
    stays away from 0: targets are biased or the critic lags. A terminal_share above 5: what happens
    at the end is not learned, or terminal states are bootstrapped.

    Args:
        errors: Target minus prediction, (n,); rows that are not finite are left out.
        terminal: Whether the next state is terminal, (n,).

    Returns:
        All NaN if empty; terminal_share NaN without terminal rows or where all errors are 0.

    Raises:
        ValueError: Shapes differ.
    """
    equal_shapes(errors=errors, terminal=terminal)
    x, ends = double(errors), np.asarray(terminal, dtype=bool)
    x, ends = x[np.isfinite(x)], ends[np.isfinite(x)]
    known, size = describe(x), np.abs(x)
    return {
        **{key: known[key] for key in ("mean", "std", "kurtosis")},
        "abs_mean": mean(size),
        "terminal_share": ratio(ratio(float(size[ends].sum()), float(size.sum())), mean(ends)),
    }


def distance(parameters: Sequence[Array], others: Sequence[Array]) -> float:
    """Return norm(parameters - others) / norm(parameters), at least 0.

    Of a target network: healthy small and steady, or rising and falling where it is copied at
    intervals; 0 always: it is the same network; growing without end: it is never updated. Of
    weights and what they were at the start: healthy below 5.

    Args:
        parameters: Arrays of any shapes.
        others: Arrays of the same shapes, in the same order.

    Returns:
        NaN where `parameters` are all 0, or there are none.

    Raises:
        ValueError: The two lists do not pair up.
    """
    return update_ratio(parameters, others)


@quiet
def _with_last(values: Array, rewards: Array) -> float:
    """Return the correlation over episodes, NaN where it says nothing."""
    if len(values) < FEWEST or rewards.std() <= 1e-8 * (1 + abs(rewards.mean())):
        return np.nan
    return correlation(values, rewards)
