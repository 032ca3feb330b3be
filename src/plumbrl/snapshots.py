"""What adapters hand over: arrays with documented shapes, nothing of the trainer's own types."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class OnPolicyUpdate:
    """A rollout of `T` steps in `B` environments, just before the first gradient step on it.

    Attributes:
        step: Timesteps collected so far, summed over environments.
        update: Index of this update, from 0.
        log_probs: Stored log-probabilities of the stored actions, (T, B).
        log_probs_now: The same, recomputed by the unchanged policy in the mode (training or
            evaluation) in which the trainer will update it, (T, B).
        rewards: (T, B).
        values: Stored value estimates, (T, B).
        advantages: Stored advantages, (T, B).
        returns: Stored value targets, (T, B).
    """

    step: int
    update: int
    log_probs: Array
    log_probs_now: Array
    rewards: Array
    values: Array
    advantages: Array
    returns: Array
