"""What an environment did under a policy, as flat arrays: the data that most checks look at."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces

from plumbrl.audits.budget import Budget
from plumbrl.audits.restore import MakeEnv
from plumbrl.audits.traces import leaves, sampled_actions

Array = np.ndarray
Policy = Callable[[Any], Any]
"""From an observation to an action. One that remembers something has a `reset` without arguments,
called where an episode begins."""
LARGEST = 256
"""Numbers of an observation that are kept; of an image, as many pixels evenly spread."""
TERMS = ("reward_terms", "reward_components", "rewards")
"""Where infos keep the terms of a reward; numbers beside, named ``reward_...``, are terms too."""


@dataclass(frozen=True)
class Sample:
    """Transitions of several episodes, N in all, in the order in which they were seen.

    The last episode may be unfinished. Observations are flattened (`names` says what a column is);
    a discrete action is one column with its index. Numbers of an info that a step lacks are NaN.

    Attributes:
        observations: (N, D), before the step.
        actions: (N, A).
        rewards: (N,).
        next_observations: (N, D), after the step and before any reset.
        terminated: (N,), bool.
        truncated: (N,), bool.
        episode: (N,), index of the episode, from 0.
        t: (N,), step within the episode, from 0.
        seconds: (N,), how long the step took.
        names: D names, such as ``/image/17`` or ``3``.
        terms: The reward's terms, each (N,).
        infos: Other numbers of the infos, each (N,).
        kinds: dtype kinds of the columns, such as ``f``, ``i``, ``u``.
        bounds: (2, D), lowest and highest values that the observation space allows.
        causes: Text of an info that says why an episode ended, by episode.
    """

    observations: Array
    actions: Array
    rewards: Array
    next_observations: Array
    terminated: Array
    truncated: Array
    episode: Array
    t: Array
    seconds: Array
    names: tuple[str, ...]
    terms: dict[str, Array]
    infos: dict[str, Array]
    kinds: tuple[str, ...]
    bounds: Array
    causes: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rewards)

    @cached_property
    def ended(self) -> Array:
        """Whether a step was the last of its episode, (N,)."""
        return self.terminated | self.truncated

    @cached_property
    def episodes(self) -> list[slice]:
        """The episodes, finished or not."""
        starts = np.flatnonzero(self.t == 0)
        stops = [*starts[1:], len(self)][: len(starts)]  # nothing where no step was taken
        return [slice(a, b) for a, b in zip(starts, stops, strict=True)]

    @cached_property
    def finished(self) -> list[slice]:
        """The episodes that ended."""
        return [e for e in self.episodes if e.stop > e.start and self.ended[e.stop - 1]]

    @cached_property
    def returns(self) -> Array:
        """Undiscounted returns of the finished episodes."""
        return np.array([self.rewards[e].sum() for e in self.finished])

    @cached_property
    def lengths(self) -> Array:
        """Lengths of the finished episodes."""
        return np.array([e.stop - e.start for e in self.finished])


def collect(
    make_env: MakeEnv,
    *,
    steps: int,
    policy: Policy | None = None,
    episodes: int | None = None,
    seed: int = 0,
    budget: Budget | None = None,
) -> Sample:
    """Act and keep what happened.

    Args:
        make_env: Returns a new environment at each call.
        steps: At most.
        policy: Acts; None acts randomly.
        episodes: At most; None for no bound. Episode k is reset with `seed` + k.
        seed: Of the first episode and of random actions.
        budget: Ends the collection when it is over.
    """
    with closing(make_env()) as env:
        return Collector(env, seed, policy).run(steps, episodes, budget).sample()


class Collector:
    """Acts in an environment and keeps the steps."""

    def __init__(self, env: gymnasium.Env, seed: int, policy: Policy | None) -> None:
        self._env, self._seed = env, seed
        self._policy = policy or random_policy(env, seed)
        self._rows: dict[str, list[Any]] = {key: [] for key in ROW}
        self._infos: list[dict[str, float]] = []
        self._causes: dict[int, str] = {}

    def run(self, steps: int, episodes: int | None, budget: Budget | None) -> "Collector":
        """Act for some steps, episodes or seconds, whichever is over first."""
        episode = 0
        while len(self._infos) < steps and (episodes is None or episode < episodes):
            self._episode(episode, steps, budget)
            episode += 1
            if budget is not None and budget.over:
                break
        return self

    def _episode(self, episode: int, steps: int, budget: Budget | None) -> None:
        observation, _ = self._env.reset(seed=self._seed + episode)
        getattr(self._policy, "reset", lambda: None)()
        flat, ended, t = flatten(observation), False, 0
        while not ended and len(self._infos) < steps and not (budget is not None and budget.over):
            action = self._policy(observation)
            begun = time.perf_counter()
            observation, reward, terminated, truncated, info = self._env.step(action)
            seconds = time.perf_counter() - begun
            following, ended = flatten(observation), bool(terminated or truncated)
            row = (
                flat, flatten(action), float(reward),
                following, bool(terminated), bool(truncated), episode, t, seconds,
            )  # fmt: skip
            for key, value in zip(ROW, row, strict=True):
                self._rows[key].append(value)
            self._infos.append(numbers(info))
            if ended:
                self._causes[episode] = _cause(info)
            flat, t = following, t + 1

    def sample(self) -> Sample:
        """Return what was kept."""
        names, kinds, bounds = columns(self._env.observation_space)
        terms, infos = _told(self._infos)
        kept = {key: np.array(rows) for key, rows in self._rows.items()}
        for key in ("observations", "next_observations"):
            width = kept[key].size // max(1, len(self._infos)) or len(names)
            kept[key] = kept[key].reshape(len(self._infos), width)
        causes = {k: cause for k, cause in self._causes.items() if cause}
        return Sample(
            **kept, names=names, terms=terms, infos=infos, kinds=kinds, bounds=bounds, causes=causes
        )


ROW = (
    "observations", "actions", "rewards", "next_observations", "terminated", "truncated",
    "episode", "t", "seconds",
)  # fmt: skip


def random_policy(env: gymnasium.Env, seed: int) -> Policy:
    """Return a policy that samples the action space, without touching the environment's own."""
    batch: list[Any] = []

    def act(_: Any) -> Any:
        nonlocal seed
        if not batch:
            batch.extend(sampled_actions(env, 500, seed))
            seed += 1_000_003
        return batch.pop()

    return act


def flatten(observation: Any) -> Array:
    """Return the numbers of an observation, (D,); of one that is too large, evenly spread ones."""
    found = leaves(observation).values()
    numbers = [np.asarray(leaf, dtype=float).ravel() for leaf in found if _numeric(leaf)]
    flat = np.concatenate(numbers) if numbers else np.zeros(0)
    return flat[_places(flat.size)]


def _numeric(leaf: Array) -> bool:
    return leaf.dtype.kind in "fiub"


def _places(size: int) -> Array:
    if size <= LARGEST:
        return np.arange(size)
    return np.linspace(0, size - 1, LARGEST).astype(int)


def columns(space: spaces.Space) -> tuple[tuple[str, ...], tuple[str, ...], Array]:
    """Return names, dtype kinds and bounds (2, D) of what `flatten` gives."""
    names: list[str] = []
    kinds: list[str] = []
    bounds: list[Array] = []
    for place, part in _boxes(space):
        low, high = _limits(part)
        names += [f"{place}/{i}".lstrip("/") for i in range(low.size)]
        kinds += [np.dtype(part.dtype or float).kind] * low.size
        bounds.append(np.stack([low, high]))
    joined = np.concatenate(bounds, axis=1) if bounds else np.zeros((2, 0))
    kept = _places(joined.shape[1])
    return tuple(names[i] for i in kept), tuple(kinds[i] for i in kept), joined[:, kept]


def _boxes(space: spaces.Space, name: str = "") -> list[tuple[str, spaces.Space]]:
    if isinstance(space, spaces.Dict):
        pairs = list(space.spaces.items())
    elif isinstance(space, spaces.Tuple):
        pairs = list(enumerate(space.spaces))
    else:
        return [(name, space)]
    return [leaf for key, part in pairs for leaf in _boxes(part, f"{name}/{key}")]


def _limits(space: spaces.Space) -> tuple[Array, Array]:
    if isinstance(space, spaces.Box):
        return space.low.astype(float).ravel(), space.high.astype(float).ravel()
    if isinstance(space, spaces.Discrete):
        start = float(space.start)
        return np.array([start]), np.array([start + float(space.n) - 1])
    if isinstance(space, spaces.MultiDiscrete):
        return np.zeros(space.nvec.size), space.nvec.ravel().astype(float) - 1
    size = int(np.prod(cast(Any, space.shape))) if space.shape is not None else 0
    return np.zeros(size), np.ones(size)


def numbers(info: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers in an info; those of a reward's terms as ``reward_terms/<name>``."""
    found: dict[str, float] = {}
    for key, value in info.items():
        if key in TERMS and isinstance(value, Mapping):
            found |= {f"reward_terms/{k}": float(v) for k, v in value.items() if _number(v)}
        elif _number(value):
            found[str(key)] = float(value)
    return found


def _number(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.number | np.bool_) or (
        isinstance(value, np.ndarray) and value.shape == () and _numeric(value)
    )


def _cause(info: Mapping[str, Any]) -> str:
    for key in ("termination", "termination_reason", "end_cause", "done_reason"):
        if isinstance(info.get(key), str):
            return info[key]
    return ""


def _told(infos: list[dict[str, float]]) -> tuple[dict[str, Array], dict[str, Array]]:
    names = sorted({key for info in infos for key in info})
    series = {key: np.array([info.get(key, np.nan) for info in infos]) for key in names}
    return (
        {_term(key): values for key, values in series.items() if _is_term(key)},
        {key: values for key, values in series.items() if not _is_term(key)},
    )


def _is_term(key: str) -> bool:
    return key.startswith(("reward_", "reward/", "reward_terms/"))


def _term(key: str) -> str:
    return key.removeprefix("reward_terms/").removeprefix("reward/").removeprefix("reward_")
