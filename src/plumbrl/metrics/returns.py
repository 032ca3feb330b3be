"""Returns, targets and advantages of a rollout, for any training loop.

Arrays are (T, B): `T` steps of `B` environments that reset themselves. Three things may follow a
step, and every function here keeps them apart:

- the episode goes on: the value that follows is that of the next step;
- it terminated: nothing follows, the value is 0;
- it was truncated: it would have gone on, the value is that of its own last observation, which is
  not the observation the environment returned, for that one begins the next episode.

A step marked as both terminated and truncated is terminated. Sums are float64.
"""

import numpy as np

Array = np.ndarray


def next_values(
    values: Array, terminated: Array, truncated: Array, final_values: Array, last_values: Array
) -> Array:
    """Return the value of what follows each step, (T, B).

    Args:
        values: V of the observation at each step, (T, B).
        terminated: Whether step t reached a terminal state, (T, B).
        truncated: Whether step t was the last before a limit, (T, B).
        final_values: V of the last observation of an episode truncated at step t; read nowhere
            else, so anything may stand there, (T, B).
        last_values: V of the observation after the last step; not read where the last step ended
            an episode, (B,).

    Raises:
        ValueError: Shapes differ; arrays that merely broadcast are refused too.
    """
    same_shape(values, terminated, truncated, final_values, last=last_values)
    going_on = np.concatenate([values[1:], last_values[None]])[: len(values)].astype(np.float64)
    going_on = np.where(truncated, final_values, going_on)
    return np.where(terminated, 0.0, going_on)


def td_targets(
    rewards: Array, values: Array, terminated: Array, truncated: Array, final_values: Array,
    last_values: Array, gamma: float,
) -> Array:  # fmt: skip
    """Return one-step targets r_t + gamma V(s_{t+1}), (T, B).

    Args:
        rewards: Reward of each step, (T, B).
        values: As for `next_values`, like the four after it.
        terminated: (T, B).
        truncated: (T, B).
        final_values: (T, B).
        last_values: (B,).
        gamma: Discount factor per step, in [0, 1].

    Raises:
        ValueError: Shapes differ.
    """
    same_shape(rewards, values)
    return rewards + gamma * next_values(values, terminated, truncated, final_values, last_values)


def gae(
    rewards: Array, values: Array, terminated: Array, truncated: Array, final_values: Array,
    last_values: Array, gamma: float, gae_lambda: float,
) -> Array:  # fmt: skip
    """Return generalised advantage estimates (T, B); Schulman et al. 2016, equations 11 and 16.

    delta_t = r_t + gamma V(s_{t+1}) - V(s_t), A_t = delta_t + gamma lambda A_{t+1} within an
    episode; the sum stops where it ends.

    Args:
        rewards: Reward of each step, (T, B).
        values: As for `next_values`, like the four after it.
        terminated: (T, B).
        truncated: (T, B).
        final_values: (T, B).
        last_values: (B,).
        gamma: Discount factor per step, in [0, 1].
        gae_lambda: Weight of longer returns, in [0, 1]: 0 trusts the value estimates, 1 the
            rewards.

    Raises:
        ValueError: Shapes differ.
    """
    targets = td_targets(rewards, values, terminated, truncated, final_values, last_values, gamma)
    return _backwards(targets - values, ended(terminated, truncated), gamma * gae_lambda)


def lambda_returns(
    rewards: Array, values: Array, terminated: Array, truncated: Array, final_values: Array,
    last_values: Array, gamma: float, gae_lambda: float,
) -> Array:  # fmt: skip
    """Return TD(lambda) value targets (T, B): the mean of n-step returns with weights lambda^n.

    Equal to advantage plus value: G_t = r_t + gamma ((1 - lambda) V(s_{t+1}) + lambda G_{t+1}).
    Lambda 0 gives `td_targets`, lambda 1 `discounted_returns`. Arguments and errors as for `gae`.
    """
    advantages = gae(
        rewards, values, terminated, truncated, final_values, last_values, gamma, gae_lambda
    )
    return advantages + values


def discounted_returns(
    rewards: Array, terminated: Array, truncated: Array, final_values: Array, last_values: Array,
    gamma: float,
) -> Array:  # fmt: skip
    """Return the reward to go of each step, (T, B).

    G_t = r_t + gamma G_{t+1} up to the end of step t's episode; after a truncation, and after the
    rollout's last step, the value estimate stands for the rewards that were not seen. Zeros there
    give the plain sum of what was seen, which is too low.

    Args:
        rewards: Reward of each step, (T, B).
        terminated: As for `next_values`, like the three after it.
        truncated: (T, B).
        final_values: (T, B).
        last_values: (B,).
        gamma: Discount factor per step, in [0, 1].

    Raises:
        ValueError: Shapes differ.
    """
    unseen = next_values(np.zeros(rewards.shape), terminated, truncated, final_values, last_values)
    return _backwards(rewards + gamma * unseen, ended(terminated, truncated), gamma)


def n_step_returns(
    rewards: Array, values: Array, terminated: Array, truncated: Array, final_values: Array,
    last_values: Array, gamma: float, n: int,
) -> Array:  # fmt: skip
    """Return n-step targets (T, B): k discounted rewards, then gamma^k times a value.

    k is `n`, or fewer where the episode or the rollout ends earlier; targets never reach into the
    next episode.

    Args:
        rewards: Reward of each step, (T, B).
        values: As for `next_values`, like the four after it.
        terminated: (T, B).
        truncated: (T, B).
        final_values: (T, B).
        last_values: (B,).
        gamma: Discount factor per step, in [0, 1].
        n: Rewards per target, at least 1; 1 gives `td_targets`.

    Raises:
        ValueError: Shapes differ, or `n` below 1.
    """
    if n < 1:
        raise ValueError(f"n-step returns need n of at least 1; got {n}")
    one_step = td_targets(rewards, values, terminated, truncated, final_values, last_values, gamma)
    targets, goes_on = one_step, ~ended(terminated, truncated)[:-1]
    for _ in range(min(n, len(rewards)) - 1):
        longer = np.where(goes_on, rewards[:-1] + gamma * targets[1:], one_step[:-1])
        targets = np.concatenate([longer, one_step[-1:]])
    return targets


def ended(terminated: Array, truncated: Array) -> Array:
    """Return whether each step was its episode's last; flags may be bool or 0 and 1."""
    return np.logical_or(terminated, truncated)


def same_shape(*arrays: Array, last: Array | None = None) -> tuple[int, int]:
    """Return the common shape (T, B); refuse what would broadcast, such as (T, B) with (T, B, 1).

    Args:
        arrays: At least one.
        last: An array that must be (B,).

    Raises:
        ValueError: A shape is another.
    """
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2:
        raise ValueError(f"arrays must all be (T, B); got {', '.join(map(str, shapes))}")
    if last is not None and last.shape != shapes[0][1:]:
        raise ValueError(f"last_values must be {shapes[0][1:]}; got {last.shape}")
    return shapes[0]


def _backwards(terms: Array, ends: Array, decay: float) -> Array:
    """Return x_t = terms_t + decay x_{t+1}, where x is 0 after an end."""
    sums, following = np.zeros(terms.shape), np.zeros(terms.shape[1])
    for t in reversed(range(len(terms))):
        following = sums[t] = terms[t] + decay * np.where(ends[t], 0.0, following)
    return sums
