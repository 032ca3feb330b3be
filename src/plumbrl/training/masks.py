"""Environments that say which actions are allowed: a method `action_masks`, as sb3-contrib asks."""

from collections.abc import Callable

import numpy as np
from gymnasium.vector import VectorEnv

Array = np.ndarray
NAME = "action_masks"


def masks_of(env: VectorEnv) -> Callable[[], Array] | None:
    """Return what gives the masks of the moment; None if the environment allows every action.

    Args:
        env: Has the method itself, or consists of environments that have it.

    Returns:
        A function without arguments that returns (N, actions), true where an action is allowed.
    """
    own = getattr(env.unwrapped, NAME, None)
    if own is not None:
        return lambda: np.asarray(own(), dtype=bool)
    single = getattr(env.unwrapped, "envs", ())
    if not single or not all(one.has_wrapper_attr(NAME) for one in single):
        return None
    return lambda: np.stack(env.call(NAME)).astype(bool)  # pyright: ignore[reportAttributeAccessIssue]
