"""One episode, step by step: its rewards, and what the value function said at the time."""

from dataclasses import dataclass

import numpy as np

from plumbrl.snapshots.numbers import Rollout
from plumbrl.snapshots.on_policy import Array

MOST = 2000
"""Steps that are kept of an episode."""


@dataclass(frozen=True)
class Trace:
    """`n` steps of an episode.

    Attributes:
        step: Timesteps of the training when the episode was looked at.
        at: Steps since the episode began, (n,); with gaps where it is longer than `MOST`.
        rewards: As they enter the value targets, (n,): SB3 adds what it expects after a time limit
            to the last one.
        values: Estimates when the step was made, (n,).
        returns: Value targets, (n,).
    """

    step: int
    at: Array
    rewards: Array
    values: Array
    returns: Array


def last_episode(rollout: Rollout, begins: Array, step: int) -> Trace | None:
    """Return the episode that ended last among those that lie in a rollout as a whole.

    Args:
        rollout: Of T steps and B environments.
        begins: Whether the first step of the rollout is the first of an episode, (B,).
        step: Timesteps of the training.

    Returns:
        None if there is no whole episode, or a number of it is not finite.
    """
    ends = rollout.episode_ends
    spans = {b: span for b in range(ends.shape[1]) if (span := _last(ends[:, b], bool(begins[b])))}
    if not spans:
        return None
    b = max(spans, key=lambda b: spans[b][1])
    rows = slice(*spans[b])
    at = _kept(rollout.rewards[rows, b])
    parts = (rollout.rewards, rollout.values, rollout.returns)
    numbers = [part[rows, b][at] for part in parts]
    return Trace(step, at, *numbers) if np.isfinite(numbers).all() else None


def _last(ends: Array, begin: bool) -> tuple[int, int] | None:
    """Return the first step of the last whole episode, and the step after it."""
    edges = [*([0] if begin else []), *(np.flatnonzero(ends) + 1).tolist()]
    return (edges[-2], edges[-1]) if len(edges) > 1 else None


def _kept(rewards: Array) -> Array:
    """Return which steps are kept, (n,): of equal parts of the episode that with most reward.

    Single rewards are what sparse tasks are about, and a stride would miss them.
    """
    parts = np.array_split(np.arange(len(rewards)), min(MOST, len(rewards)))
    return np.array([part[np.abs(rewards[part]).argmax()] for part in parts])
