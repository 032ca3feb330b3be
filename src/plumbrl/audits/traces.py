"""What an environment does with given seeds and actions, copied as it happens."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

Array = np.ndarray
Leaves = dict[str, Array]


@dataclass(frozen=True)
class Moment:
    """What one call of ``reset`` or ``step`` returned.

    Attributes:
        observation: Copies of its arrays, by name.
        reward: 0 after a reset.
        terminated: Whether the step reached a terminal state.
        truncated: Whether the step was the last before a limit.
        begins: Whether it was a reset.
    """

    observation: Leaves
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    begins: bool = False

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self.terminated or self.truncated


@dataclass(frozen=True)
class Mismatch:
    """Where two traces part.

    Attributes:
        first: Index of the first call that differs; 0 is the first reset.
        kinds: What differs anywhere: ``observation``, ``reward``, ``end``.
        share: Share of calls that differ, in (0, 1].
    """

    first: int
    kinds: frozenset[str]
    share: float


def leaves(observation: Any, name: str = "") -> Leaves:
    """Return copies of all arrays in an observation, by their place in it."""
    return {place: np.array(leaf) for place, leaf in parts(observation, name).items()}


def parts(observation: Any, name: str = "") -> dict[str, Any]:
    """Return everything in an observation that is no dictionary or tuple, not copied."""
    if isinstance(observation, Mapping):
        pairs = list(observation.items())
    elif isinstance(observation, tuple):
        pairs = list(enumerate(observation))
    else:
        return {name: observation}
    return {k: leaf for key, o in pairs for k, leaf in parts(o, f"{name}/{key}").items()}


def same(one: Leaves, other: Leaves) -> bool:
    """Return whether two observations are equal bit for bit; a NaN equals a NaN."""
    return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)


def _equal(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    return bool(np.all((one == other) | ((one != one) & (other != other))))


def sampled_actions(env: gymnasium.Env | gymnasium.vector.VectorEnv, n: int, seed: int) -> list:
    """Return `n` random actions; the environment's own space is left as it is."""
    space = deepcopy(env.action_space)
    space.seed(seed)
    return [space.sample() for _ in range(n)]


def record(env: gymnasium.Env, seed: int | None, actions: Iterable[Any]) -> list[Moment]:
    """Reset with a seed and act; where an episode ends, the next begins without a seed."""
    moments = [begin(env, seed)]
    for action in actions:
        if moments[-1].ended:
            moments.append(begin(env))
        moments.append(act(env, action))
    return moments


def begin(env: gymnasium.Env, seed: int | None = None) -> Moment:
    """Reset."""
    observation, _ = env.reset(seed=seed)
    return Moment(leaves(observation), begins=True)


def act(env: gymnasium.Env, action: Any) -> Moment:
    """Step with a copy of an action."""
    observation, reward, terminated, truncated, _ = env.step(deepcopy(action))
    return Moment(leaves(observation), float(reward), bool(terminated), bool(truncated))


def compare(one: list[Moment], other: list[Moment]) -> Mismatch | None:
    """Return where two traces of the same actions part; None if they are equal."""
    kinds = [_kinds(a, b) for a, b in zip(one, other, strict=False)]
    differ = [t for t, kind in enumerate(kinds) if kind]
    if not differ:
        return None
    return Mismatch(differ[0], frozenset().union(*kinds), len(differ) / len(kinds))


def _kinds(one: Moment, other: Moment) -> set[str]:
    ends = [(m.begins, m.terminated, m.truncated) for m in (one, other)]
    differ = {
        "observation": not same(one.observation, other.observation),
        "reward": not _equal(np.asarray(one.reward), np.asarray(other.reward)),
        "end": ends[0] != ends[1],
    }
    return {kind for kind, differs in differ.items() if differs}
