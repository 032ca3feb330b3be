"""What a finished policy did in whole episodes."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Recording:
    """One episode of T steps.

    Attributes:
        seed: Of the environment.
        observations: What the network was given, without images, flat, (T, D); D may be 0.
        actions: As the environment took them, (T, A); a discrete action is a whole number.
        rewards: As the environment gave them, (T,).
        values: What the policy's value function expected from then on, in the units of the rewards
            that it was trained on, (T,); NaN if it has none.
        returns: Discounted rewards from then on in the same units, (T,). After a time limit they go
            on with the last value, as training does.
        terms: Parts of the rewards by name, (T,) each; empty where the environment gives none.
        cause: What ended it.
        terminated: Whether that was a terminal state, not a limit on time.
    """

    seed: int
    observations: Array
    actions: Array
    rewards: Array
    values: Array
    returns: Array
    terms: dict[str, Array]
    cause: str
    terminated: bool


@dataclass(frozen=True)
class Recordings:
    """Episodes of a policy on the same seeds, as it is meant to act and as it explores.

    Attributes:
        deterministic: With the most likely actions.
        stochastic: With actions drawn from the policy's distribution; empty if it has none.
        low: Least action of every dimension, (A,); -inf where there is no bound.
        high: Largest, (A,); of discrete actions the last number.
        discrete: Whether actions are whole numbers.
        names: Of the observation's dimensions, D of them.
        samples: Actions drawn at the same moment, (n, A); n may be 0.
        samples_at: Step of the first episode whose observation they were drawn at.
    """

    deterministic: tuple[Recording, ...]
    stochastic: tuple[Recording, ...]
    low: Array
    high: Array
    discrete: bool
    names: tuple[str, ...]
    samples: Array
    samples_at: int
