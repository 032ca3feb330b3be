"""The settings of a trainer that contradict one another most often."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Normaliser:
    """How an environment scales what it returns.

    Attributes:
        observations: Whether observations are scaled by running statistics.
        rewards: Whether rewards are.
        training: Whether the statistics are still updated.
        gamma: Discount factor of the return whose variance scales rewards.
    """

    observations: bool
    rewards: bool
    training: bool
    gamma: float


NO_NORMALISER = Normaliser(observations=False, rewards=False, training=False, gamma=0.0)
"""Nothing is scaled; an unknown normaliser is None instead."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a trainer is configured with; None where it is unknown or the algorithm has none.

    Attributes:
        algo: Name of the algorithm.
        gamma: Discount factor.
        gae_lambda: Lambda of generalised advantage estimation.
        n_steps: Steps of each environment per rollout; on-policy only.
        num_envs: Environments that collect side by side.
        batch_size: Samples per minibatch.
        n_epochs: Passes over a rollout.
        learning_rates: Learning rate at equally spaced points from the start to the end, (K,),
            K at least 2.
        ent_coef: Weight of the entropy bonus; None while it is learnt.
        clip_range: Of PPO's ratio, at the start of its schedule.
        max_grad_norm: Norm to which gradients are clipped.
        normaliser: Of the training environment.
        eval_normaliser: Of the evaluation environment.
        seeds: Of the training environments.
        eval_seeds: Of the evaluation environments.
        buffer_size: Transitions in the replay buffer.
        learning_starts: Timesteps before the first update.
        updates_per_step: Gradient steps per timestep (summed over environments).
        tau: Weight of the online network when the target network is updated; 1 copies.
        target_interval: Gradient steps between updates of the target network.
        target_entropy: That a learnt entropy coefficient aims at; None while it is fixed.
        action_dimension: Entries of a continuous action, each squashed to [-1, 1].
        epsilon_start: Share of random actions in the beginning.
        epsilon_end: In the end.
        epsilon_fraction: Share of the training after which the end is reached.
        total_timesteps: Budget, summed over environments.
        episode_length: Mean length of episodes, or their time limit, steps.
    """

    algo: str
    gamma: float | None = None
    gae_lambda: float | None = None
    n_steps: int | None = None
    num_envs: int | None = None
    batch_size: int | None = None
    n_epochs: int | None = None
    learning_rates: Array | None = None
    ent_coef: float | None = None
    clip_range: float | None = None
    max_grad_norm: float | None = None
    normaliser: Normaliser | None = None
    eval_normaliser: Normaliser | None = None
    seeds: tuple[int, ...] | None = None
    eval_seeds: tuple[int, ...] | None = None
    buffer_size: int | None = None
    learning_starts: int | None = None
    updates_per_step: float | None = None
    tau: float | None = None
    target_interval: float | None = None
    target_entropy: float | None = None
    action_dimension: int | None = None
    epsilon_start: float | None = None
    epsilon_end: float | None = None
    epsilon_fraction: float | None = None
    total_timesteps: int | None = None
    episode_length: float | None = None
