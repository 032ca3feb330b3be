"""A rollout of an on-policy trainer, just before the first gradient step on it."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Recorded:
    """What really happened in a rollout of `T` steps in `B` environments, copied as it happened.

    Attributes:
        observations: What the policy saw (after normalisation), by name, each (T, B, ...); an
            observation that is no dictionary has the name ``""``.
        actions: What the policy chose, before clipping, (T, B, ...).
        rewards: As the environment gave them (after normalisation), (T, B).
        values: The policy's value estimates of `observations`, (T, B).
        terminated: Whether step t ended in a terminal state, (T, B).
        truncated: Whether step t ended at a limit, (T, B); never both.
        final_values: Value of the last observation of an episode that was truncated at step t;
            0 elsewhere, (T, B).
        last_values: Value of the observation after the last step, (B,).
        episode_starts: Whether step t is the first of its episode, (T, B).
    """

    observations: dict[str, Array]
    actions: Array
    rewards: Array
    values: Array
    terminated: Array
    truncated: Array
    final_values: Array
    last_values: Array
    episode_starts: Array


@dataclass(frozen=True)
class OnPolicyUpdate:
    """A rollout of `T` steps in `B` environments, just before the first gradient step on it.

    Attributes:
        step: Timesteps collected so far, summed over environments.
        update: Index of this update, from 0.
        gamma: Discount factor that the trainer is configured with.
        gae_lambda: Its lambda of generalised advantage estimation.
        observations: Stored observations, by name, each (T, B, ...).
        actions: Stored actions, (T, B, ...).
        log_probs: Stored log-probabilities of the stored actions, (T, B).
        values: Stored value estimates, (T, B).
        advantages: Stored advantages, before any normalisation, (T, B).
        returns: Stored value targets, (T, B).
        log_probs_now: Log-probabilities recomputed from what is stored by the unchanged policy, in
            the mode (training or evaluation) in which the trainer will update it, (T, B).
        values_now: Value estimates, recomputed likewise, (T, B).
        recorded: What really happened, if the adapter could watch it.
    """

    step: int
    update: int
    gamma: float
    gae_lambda: float
    observations: dict[str, Array]
    actions: Array
    log_probs: Array
    values: Array
    advantages: Array
    returns: Array
    log_probs_now: Array
    values_now: Array
    recorded: Recorded | None = None
