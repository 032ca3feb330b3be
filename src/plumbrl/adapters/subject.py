"""A trainer as the probes see it: it can learn, and be asked for what it has learnt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from plumbrl.oracles import Outcome

Array = np.ndarray
Observations = Array | dict[str, Array]
Checkpoint = Callable[[], bool]
"""Called now and then while learning; says whether to stop."""


@dataclass
class Subject:
    """A trainer under examination; what it cannot be asked for is None.

    Attributes:
        learn: Trains for at most so many timesteps (first argument), asking a checkpoint every so
            many (second argument).
        family: What its values mean: of the policy (``value``), of the best action (``q``), or of
            the best action with an entropy bonus (``soft_q``).
        gamma: Discount factor it says it uses.
        gae_lambda: Its lambda; 0 where targets look one step ahead.
        value: V of observations (n, ...), (n,).
        q: Q of observations (n, ...) and actions (n, ...), (n,).
        action: What it would do without exploring, (n, ...), as the environment takes it.
        bonus: Entropy bonus alpha H of its policy in observations, (n,); soft values only.
        recurrent: Whether its policy remembers.
        target_interval: Timesteps between copies to a target network; 0 if it follows all the time.
        watchable: Whether its updates can be looked at, if asked to.
        identities: What the oracles said of its first rollout or updates, filled while it learns.
    """

    learn: Callable[[int, int, Checkpoint], None]
    family: Literal["value", "q", "soft_q"] = "value"
    gamma: float | None = None
    gae_lambda: float | None = None
    value: Callable[[Observations], Array] | None = None
    q: Callable[[Observations, Array], Array] | None = None
    action: Callable[[Observations], Array] | None = None
    bonus: Callable[[Observations], Array] | None = None
    recurrent: bool = False
    target_interval: int = 0
    watchable: bool = False
    identities: list[Outcome] = field(default_factory=list)
