"""What a training loop does with a rollout: split episodes out of it, and it into minibatches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from plumbrl.metrics.returns import ended, same_shape

Array = np.ndarray


@dataclass(frozen=True)
class Episodes:
    """Episodes that ended in a rollout, by the step they ended at, then by environment.

    Attributes:
        returns: Undiscounted sum of rewards, (E,).
        lengths: Steps, (E,).
        running_returns: Sum so far of the episode that each environment is in, (B,).
        running_lengths: Its steps so far; 0 where an episode ended with the rollout, (B,).
    """

    returns: Array
    lengths: Array
    running_returns: Array
    running_lengths: Array


def episode_returns_and_lengths(
    rewards: Array, terminated: Array, truncated: Array, before: Episodes | None = None
) -> Episodes:
    """Split episodes out of a rollout.

    Args:
        rewards: Reward of each step, (T, B).
        terminated: Whether step t reached a terminal state, (T, B).
        truncated: Whether step t was the last before a limit, (T, B).
        before: Of the previous rollout, whose unfinished episodes go on in this one; without it,
            every environment begins an episode at the first step.

    Raises:
        ValueError: Shapes differ.
    """
    n_envs = same_shape(rewards, terminated, truncated)[1]
    total = before.running_returns.copy() if before else np.zeros(n_envs)
    steps = before.running_lengths.copy() if before else np.zeros(n_envs, np.int64)
    returns, lengths = [total[:0]], [steps[:0]]
    for reward, ends in zip(rewards, ended(terminated, truncated), strict=True):
        total, steps = total + reward, steps + 1
        returns.append(total[ends])
        lengths.append(steps[ends])
        total, steps = np.where(ends, 0.0, total), np.where(ends, 0, steps)
    return Episodes(np.concatenate(returns), np.concatenate(lengths), total, steps)


def minibatches(
    n: int, batch_size: int, n_epochs: int, generator: np.random.Generator
) -> Iterator[Array]:
    """Yield the indices of each minibatch; every sample occurs exactly once per epoch.

    Where `batch_size` does not divide `n`, the remainder is spread: an epoch has
    ceil(n / batch_size) minibatches whose sizes differ by at most one, so that none is left with a
    few samples and a noisy gradient, and none is larger than `batch_size`.

    Args:
        n: Samples, at least 0; none gives no minibatches.
        batch_size: Largest size of a minibatch, at least 1.
        n_epochs: Passes over all samples, each in a new order, at least 0.
        generator: Source of the order.

    Raises:
        ValueError: A number is too small.
    """
    if n < 0 or batch_size < 1 or n_epochs < 0:
        raise ValueError(f"cannot split {n} samples by {batch_size} in {n_epochs} epochs")
    for _ in range(n_epochs if n else 0):
        yield from np.array_split(generator.permutation(n), -(-n // batch_size))
