"""The same moment again and again, with another action each time.

A moment is reached by a seed and the same first actions; nothing of the environment's inside is
touched, so it works for whatever keeps its promise of seeds.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np

from plumbrl.audits.budget import Budget
from plumbrl.audits.environment.hidden import inside, series
from plumbrl.audits.sample import flatten
from plumbrl.audits.traces import leaves, sampled_actions

Array = np.ndarray
HOLD = 8
"""Steps for which an action is held."""


@dataclass(frozen=True)
class Moment:
    """How to reach it: a seed, and the actions before."""

    seed: int
    before: list[Any]


@dataclass(frozen=True)
class Answer:
    """What followed on an action that was held.

    Attributes:
        observations: (T + 1, D), from before the first step; T is shorter where the episode ended.
        rewards: (T,).
        ended: Whether the episode ended.
        hidden: Numbers that the observation need not show, each (T,), by name: the reward, those
            of the infos and of the environment's inside.
    """

    observations: Array
    rewards: Array
    ended: bool
    hidden: dict[str, Array] = field(default_factory=dict)

    def same(self, other: "Answer") -> bool:
        """Return whether nothing at all differs."""
        return (
            self.ended == other.ended
            and np.array_equal(self.observations, other.observations, equal_nan=True)
            and np.array_equal(self.rewards, other.rewards, equal_nan=True)
        )


@dataclass
class Prober:
    """Asks what actions do at several moments; answers are kept.

    Attributes:
        env: Is reset and stepped.
        moments: Where actions are tried.
        hold: Steps for which an action is held.
    """

    env: gymnasium.Env
    moments: list[Moment]
    hold: int = HOLD
    _known: dict[tuple[int, bytes], Answer | None] = field(default_factory=dict)

    def answer(self, moment: int, action: Any) -> Answer | None:
        """Return what follows on an action; None where the episode ends before."""
        key = moment, b"/".join(leaf.tobytes() for leaf in leaves(action).values())
        if key not in self._known:
            self._known[key] = self._held(self.moments[moment], action)
        return self._known[key]

    def again(self, moment: int, action: Any) -> Answer | None:
        """Return the same once more, not from memory."""
        return self._held(self.moments[moment], action)

    def answers(self, one: Any, other: Any, budget: Budget) -> list[tuple[int, Answer, Answer]]:
        """Return the moments at which the episode went on, and what followed on two actions.

        Args:
            one: An action.
            other: Another.
            budget: Once it is over, three moments are enough.
        """
        found = []
        for k in range(len(self.moments)):
            if budget.over and len(found) >= 3:
                break
            a, b = self.answer(k, one), self.answer(k, other)
            if a is not None and b is not None:
                found.append((k, a, b))
        return found

    def _held(self, moment: Moment, action: Any) -> Answer | None:
        observation, _ = self.env.reset(seed=moment.seed)
        for before in moment.before:
            observation, _, terminated, truncated, _ = self.env.step(deepcopy(before))
            if terminated or truncated:
                return None
        rows, rewards, ended = [flatten(observation)], [], False
        hidden: list[dict[str, float]] = []
        while len(rewards) < self.hold and not ended:
            observation, reward, terminated, truncated, info = self.env.step(deepcopy(action))
            rows.append(flatten(observation))
            rewards.append(float(reward))
            hidden.append({"the reward": float(reward)} | inside(self.env, info))
            ended = bool(terminated or truncated)
        return Answer(np.array(rows), np.array(rewards), ended, series(hidden))


def moments(env: gymnasium.Env, seed: int, count: int = 8) -> list[Moment]:
    """Return moments of several episodes, after 0 to 12 random actions."""
    lengths = (0, 2, 5, 0, 3, 8, 1, 12)
    return [
        Moment(seed + k, sampled_actions(env, lengths[k % len(lengths)], seed + k))
        for k in range(count)
    ]


def first_effect(one: Answer, other: Answer) -> int | None:
    """Return after how many steps the observations part; None if they never do."""
    n = min(len(one.observations), len(other.observations))
    a, b = one.observations[:n], other.observations[:n]
    differ = ~((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
    return int(np.argmax(differ)) if differ.any() else None
