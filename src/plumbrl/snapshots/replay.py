"""The replay buffer of an off-policy trainer: what happened, what is stored, what was drawn."""

from dataclasses import dataclass

from plumbrl.snapshots.on_policy import Array


@dataclass(frozen=True)
class Transitions:
    """The last `K` steps of `B` environments, copied at the environments' edge as they happened.

    Attributes:
        observations: What the actions were chosen from (before normalisation), by name, each
            (K, B, ...); an observation that is no dictionary has the name ``""``.
        actions: What was sent to the environments, in their scale, (K, B, ...).
        next_observations: What the step led to; at the end of an episode its last, (K, B, ...).
        following: What the environments returned: at an end the next episode's first, (K, B, ...).
        rewards: As the environments gave them (before normalisation), (K, B).
        terminated: Whether the step reached a terminal state, (K, B).
        truncated: Whether it reached a limit, (K, B); never both.
        final_given: Whether the last observation of an episode came with its end, (K, B); true
            where no episode ended.
        warm_up: Whether the action had to be random, (K,).
    """

    observations: dict[str, Array]
    actions: Array
    next_observations: dict[str, Array]
    following: dict[str, Array]
    rewards: Array
    terminated: Array
    truncated: Array
    final_given: Array
    warm_up: Array


@dataclass(frozen=True)
class StoredTransitions:
    """What the replay buffer holds for those `K` steps, in the same order.

    Attributes:
        observations: By name, each (K, B, ...).
        actions: In the learner's scale, (K, B, ...).
        next_observations: By name, each (K, B, ...); empty if the buffer does not keep them.
        rewards: (K, B).
        dones: Whether the episode ended, for whatever reason, (K, B), 0 or 1.
        timeouts: Whether it ended at a limit, (K, B), 0 or 1.
    """

    observations: dict[str, Array]
    actions: Array
    next_observations: dict[str, Array]
    rewards: Array
    dones: Array
    timeouts: Array


@dataclass(frozen=True)
class DrawnRows:
    """A batch of `n` rows beside those it was drawn from, in all `B` environments.

    Which environment a row is from is not known; one of them must have it.

    Attributes:
        drawn: `fingerprint` of observations, next observations and actions, each (n,).
        held: The same of what the buffer holds (after normalisation), each (n, B).
        drawn_rewards: (n,).
        held_rewards: After normalisation, (n, B).
        drawn_dones: Where the next state is taken for terminal, (n,).
        held_dones: Where the buffer says so, (n, B).
        ended: Where the buffer says that the episode ended, for whatever reason, (n, B).
    """

    drawn: tuple[Array, ...]
    held: tuple[Array, ...]
    drawn_rewards: Array
    held_rewards: Array
    drawn_dones: Array
    held_dones: Array
    ended: Array
