"""Shaping rewards as a rollout collected them."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class ShapingRollout:
    """What shaping added in `T` steps of `B` environments that reset themselves.

    Potentials or states tell where shaping should lead; with neither, nothing can be checked.

    Attributes:
        shaping: Added to the environment's reward at each step, (T, B).
        terminated: Whether step t reached a terminal state, (T, B).
        truncated: Whether step t was the last before a limit, (T, B).
        gamma: Discount factor that the trainer is configured with.
        potentials: phi, with its scale, of the observation at each step and, last, of the one
            after the last step, (T + 1, B); None where unknown.
        final_potentials: phi of the last observation of an episode that ended at step t, whether
            terminated or truncated; (T, B).
        states: Numbers that are equal where the state is, placed like `potentials`, (T + 1, B);
            None where unknown. Only states that occur more than once help.
        final_states: Likewise, placed like `final_potentials`, (T, B).
        step: Timesteps collected so far, summed over environments.
        update: Index of the update that follows, from 0.
    """

    shaping: Array
    terminated: Array
    truncated: Array
    gamma: float
    potentials: Array | None = None
    final_potentials: Array | None = None
    states: Array | None = None
    final_states: Array | None = None
    step: int = 0
    update: int = 0
