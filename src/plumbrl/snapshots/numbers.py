"""What metrics are computed from: a rollout, what an update made of it, a draw from a replay."""

from dataclasses import dataclass

import numpy as np

from plumbrl.snapshots.on_policy import Array


@dataclass(frozen=True)
class Bounds:
    """Bounds of a continuous action of `A` dimensions; infinite where there are none.

    Attributes:
        low: (A,).
        high: (A,).
    """

    low: Array
    high: Array


@dataclass(frozen=True)
class Rollout:
    """`T` steps of `B` environments, just before they are learned from.

    Attributes:
        rewards: As they enter the value targets, (T, B).
        values: Estimates when the step was made, (T, B).
        advantages: Before any normalisation, (T, B).
        returns: Value targets, (T, B).
        episode_ends: Whether step t was the last of its episode, (T, B).
        actions: As the policy chose them, before clipping: (T, B, A), or (T, B) if discrete.
        log_probs: Of these actions, (T, B).
        gamma: Discount factor.
        bounds: Of a continuous action; None for a discrete one.
    """

    rewards: Array
    values: Array
    advantages: Array
    returns: Array
    episode_ends: Array
    actions: Array
    log_probs: Array
    gamma: float
    bounds: Bounds | None = None


@dataclass(frozen=True)
class Change:
    """What an update did to the policy and the value function, on `n` rows of its rollout.

    Attributes:
        log_ratio: New minus old log-probability of the actions, (n,).
        entropies: Of the new policy, (n,); None where there is no closed form.
        advantages: Before normalisation, (n,).
        values: New estimates, (n,).
        returns: Value targets, (n,).
        std: Standard deviation of the policy's noise by dimension, (A,); None if discrete.
        actions: Number of discrete actions, or of those allowed, (n,); None if continuous.
        bounds: Of a continuous action.
        clip_range: Of PPO.
    """

    log_ratio: Array
    entropies: Array | None
    advantages: Array
    values: Array
    returns: Array
    std: Array | None = None
    actions: int | Array | None = None
    bounds: Bounds | None = None
    clip_range: float | None = None


@dataclass(frozen=True)
class Draw:
    """`n` transitions of a replay buffer, and what the networks of the moment say about them.

    `C` is the number of critics.

    Attributes:
        rewards: As they enter the targets, (n,).
        terminal: Whether the next state is one, (n,).
        q_values: Of the stored actions, (n, C).
        targets: One-step targets, (n,); None if they cannot be computed.
        gamma: Discount factor.
        actions: That the policy of the moment takes, in [-1, 1], (n, A); None if discrete.
        log_probs: Of these actions, (n,); None if the policy is deterministic.
        std: Standard deviation of the policy's noise, (n, A), before squashing; None if none.
        alpha: Weight of the entropy term.
        episode_q: Q at earlier starts of episodes, (m,).
        episode_returns: Discounted returns that followed, (m,).
    """

    rewards: Array
    terminal: Array
    q_values: Array
    targets: Array | None
    gamma: float
    actions: Array | None = None
    log_probs: Array | None = None
    std: Array | None = None
    alpha: float = 0.0
    episode_q: Array | None = None
    episode_returns: Array | None = None


@dataclass(frozen=True)
class Steps:
    """Some `n` steps of an environment, none of them across the end of an episode.

    Attributes:
        observations: As the policy got them, (n, D).
        actions: (n, A); of discrete ones, a column for each but the first.
        rewards: As they enter the targets, (n,).
        next_observations: (n, D).
    """

    observations: Array
    actions: Array
    rewards: Array
    next_observations: Array


def starts_of(episode_ends: Array) -> Array:
    """Return whether step t is known to be the first of its episode, (T, B)."""
    starts = np.zeros_like(episode_ends, dtype=bool)
    starts[1:] = episode_ends[:-1]
    return starts
