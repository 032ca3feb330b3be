"""A tiny decision problem as tables: everything about it can be computed exactly.

An environment and a solver read the same tables, so that what a trainer meets and what it should
have learnt cannot drift apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

Array = np.ndarray
Observation = Array | dict[str, Array]
Kind = Literal["discrete", "continuous"]
GOES_ON, TERMINATES, TRUNCATES = range(3)


@dataclass(frozen=True, eq=False)
class Problem:
    """A problem of `S` states and `A` branches; branch 0 is taken where actions do not matter.

    Attributes:
        name: Of the probe.
        isolates: What it adds to simpler probes, in words.
        observations: What each state shows; by name, each (S, ...), name ``""`` for plain arrays.
            States that show the same are one state to the trainer.
        starts: States that episodes begin in, equally often.
        following: State after each state and branch, (S, A); at an end it is shown, not entered.
        ends: `GOES_ON`, `TERMINATES` or `TRUNCATES` on leaving a state, (S,).
        rewards: Mean reward of each state and branch, (S, A).
        gamma: Discount factor at which the probe decides.
        kind: Whether actions are discrete (one per branch) or continuous.
        noise: The reward is its mean plus or minus this, with equal probability.
        best: Continuous only: the reward loses the squared distance to this action, in halves of
            the action range, (S, D).
        bounds: Continuous only: lowest and highest action.
        start_by_env: Environment i of a vector always starts in ``starts[i % len(starts)]``.
        hidden: What a policy would have to remember; only recurrent policies can solve it.
    """

    name: str
    isolates: str
    observations: Mapping[str, Array]
    starts: tuple[int, ...]
    following: Array
    ends: Array
    rewards: Array
    gamma: float = 0.5
    kind: Kind = "discrete"
    noise: float = 0.0
    best: Array | None = None
    bounds: tuple[float, float] = (-1.0, 1.0)
    start_by_env: bool = False
    hidden: bool = False

    @property
    def n_states(self) -> int:
        """Number of states `S`."""
        return len(self.ends)

    @property
    def n_branches(self) -> int:
        """Number of branches `A` that actions select between."""
        return self.rewards.shape[1]

    @property
    def action_dims(self) -> int:
        """Dimensions `D` of a continuous action."""
        return 1 if self.best is None else self.best.shape[1]

    @cached_property
    def seen_as(self) -> Array:
        """First state that shows the same as each state, (S,)."""
        shown = [
            tuple(part[state].tobytes() for part in self.observations.values())
            for state in range(self.n_states)
        ]
        return np.array([shown.index(one) for one in shown])

    def observation(self, state: int) -> Observation:
        """Return what a state shows."""
        return pack({name: part[state].copy() for name, part in self.observations.items()})

    def batch(self, states: list[int]) -> Observation:
        """Return what several states show, each array (n, ...)."""
        return pack({name: part[states] for name, part in self.observations.items()})

    def reward(self, state: int, action: Array | int) -> float:
        """Return the mean reward of an action as the environment gets it."""
        reward = float(self.rewards[state, self.branch(action)])
        if self.best is None:
            return reward
        half = (self.bounds[1] - self.bounds[0]) / 2
        return reward - float(np.square((np.asarray(action) - self.best[state]) / half).sum())

    def branch(self, action: Array | int) -> int:
        """Return the branch that an action selects: its index, or whether it is positive."""
        if self.n_branches == 1:
            return 0
        return int(action) if self.kind == "discrete" else int(np.reshape(action, -1)[0] > 0)

    def representatives(self) -> Array:
        """Return one action per branch, as the environment takes them: (A,) or (A, D)."""
        if self.kind == "discrete":
            return np.arange(self.n_branches)
        shares = (np.arange(self.n_branches) + 0.5) / self.n_branches
        low, high = self.bounds
        points = low + (high - low) * shares
        return np.repeat(points[:, None], self.action_dims, axis=1).astype(np.float32)

    @property
    def observation_space(self) -> spaces.Space:
        """The Gymnasium space of observations."""
        return pack({name: _box(part) for name, part in self.observations.items()}, spaces.Dict)

    @property
    def action_space(self) -> spaces.Space:
        """The Gymnasium space of actions."""
        if self.kind == "discrete":
            return spaces.Discrete(self.n_branches)
        low, high = self.bounds
        return spaces.Box(low, high, (self.action_dims,), np.float32)


def pack(parts: Any, wrap: Callable[[Any], Any] = dict) -> Any:
    """Return the only part if it has no name, else all of them as `wrap`."""
    return parts[""] if set(parts) == {""} else wrap(parts)


def _box(part: Array) -> spaces.Box:
    if part.dtype == np.uint8:
        return spaces.Box(0, 255, part.shape[1:], np.uint8)
    return spaces.Box(-1.0, 1.0, part.shape[1:], np.float32)
