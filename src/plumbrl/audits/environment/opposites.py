"""Actions as different from each other as an action space allows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

Array = np.ndarray
CHOICES = 12
"""Discrete actions, or numbers of an action, that are tried at most."""


@dataclass(frozen=True)
class Opposites:
    """Two actions as different as can be.

    Attributes:
        name: What they differ in.
        low: The one.
        high: The other.
    """

    name: str
    low: Any
    high: Any


def sides(space: spaces.Box) -> tuple[Array, Array]:
    """Return the bounds of actions; -1 and 1 where a side is open."""
    open_ended = ~(np.isfinite(space.low) & np.isfinite(space.high))
    low = np.where(open_ended, -1, space.low).astype(float)
    return low, np.where(open_ended, 1, space.high).astype(float)


def moved(space: spaces.Box, dim: int | None, share: float) -> Array:
    """Return an action in the middle, but `share` (-1 to 1) of the way to a bound.

    Args:
        space: Of actions.
        dim: Which number of the action, in flat order; None for all.
        share: 1 is the upper bound, -1 the lower.
    """
    low, high = sides(space)
    centre, half = (low + high) / 2, (high - low) / 2
    action = centre.ravel().copy()
    chosen = slice(None) if dim is None else dim
    action[chosen] += share * half.ravel()[chosen]
    return action.reshape(space.shape).astype(space.dtype)


def choices(space: spaces.Discrete) -> list[int]:
    """Return the actions that are tried: all, or evenly spread ones."""
    count = min(int(space.n), CHOICES)
    return [int(space.start) + int(k) for k in np.linspace(0, int(space.n) - 1, count)]


def opposites(space: spaces.Space) -> list[Opposites]:
    """Return a pair for each number of an action, the others in the middle; of some at most."""
    if isinstance(space, spaces.Box):
        return [
            Opposites(f"action {k}", moved(space, k, -1), moved(space, k, 1))
            for k in range(min(int(np.prod(space.shape)), CHOICES))
        ]
    if isinstance(space, spaces.MultiDiscrete):
        return _from_zero(space.nvec - 1)
    return (
        _from_zero(np.ones(space.shape, np.int8)) if isinstance(space, spaces.MultiBinary) else []
    )


def _from_zero(top: Array) -> list[Opposites]:
    pairs = []
    for k in range(min(top.size, CHOICES)):
        high = np.zeros_like(top)
        high.ravel()[k] = top.ravel()[k]
        pairs.append(Opposites(f"action {k}", np.zeros_like(high), high))
    return pairs
