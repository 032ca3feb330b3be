"""Single steps out of rollouts and batches, as columns of numbers."""

from collections.abc import Mapping

import numpy as np

from plumbrl.snapshots.numbers import Steps

Array = np.ndarray
ROWS = 512
"""Steps that are looked at."""
WIDEST = 96
"""Columns of observations and actions; more would need more steps."""


def steps_of_rollout(
    observations: Mapping[str, Array],
    actions: Array,
    rewards: Array,
    episode_ends: Array,
    count: int | None,
    rng: np.random.Generator,
) -> Steps | None:
    """Return some steps of a rollout; None if its observations are no columns of numbers.

    Args:
        observations: By name, (T, B, ...) each.
        actions: (T, B, ...).
        rewards: (T, B).
        episode_ends: Whether step t was the last of its episode, (T, B).
        count: Of discrete actions; None if they are continuous.
        rng: Chooses steps.
    """
    inside = np.argwhere(~episode_ends[:-1])
    if not len(inside):
        return None
    t, b = rng.permutation(inside)[:ROWS].T
    before = {key: part[t, b] for key, part in observations.items()}
    after = {key: part[t + 1, b] for key, part in observations.items()}
    return steps_of(before, actions[t, b], rewards[t, b], after, count)


def steps_of(
    observations: Mapping[str, Array],
    actions: Array,
    rewards: Array,
    next_observations: Mapping[str, Array],
    count: int | None,
) -> Steps | None:
    """Return steps; None if their observations are no columns of numbers, or too many.

    Args:
        observations: By name, (n, ...) each; images and whole numbers are left out.
        actions: (n, ...).
        rewards: (n,) or (n, 1).
        next_observations: Like the observations.
        count: Of discrete actions; None if they are continuous.
    """
    before, after = _columns(observations), _columns(next_observations)
    if before is None or after is None:
        return None
    acted = np.asarray(actions, dtype=np.float64).reshape(len(actions), -1)
    if count is not None:
        acted = (acted == np.arange(1, count)).astype(np.float64)
    if before.shape[1] + acted.shape[1] > WIDEST:
        return None
    return Steps(before, acted, np.asarray(rewards, dtype=np.float64).ravel(), after)


def _columns(parts: Mapping[str, Array]) -> Array | None:
    found = [part for part in parts.values() if part.ndim == 2 and part.dtype.kind == "f"]
    return np.hstack(found).astype(np.float64) if found else None
