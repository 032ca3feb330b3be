"""Levels of difficulty that are raised when the present one is mastered.

Each environment keeps its own level, so that a vector of them needs nothing shared. A level changes
only where an episode begins.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from plumbrl.errors import UserError

SPACES = ("observation_space", "action_space")
Success = Callable[[Mapping[str, Any], float], bool]
"""From the info of an episode's last step and its return to whether it counts as a success."""


class Curriculum(gymnasium.Wrapper):
    """An environment that gets harder as it is mastered.

    info holds ``curriculum_level`` (0 is the first) and ``curriculum_success`` (share of the last
    episodes on this level that succeeded, in [0, 1]; NaN before the first).

    Args:
        source: One function per level that makes its environment; all with the same spaces, for
            which each level after the first is made and closed once here. Or one environment whose
            innermost has a method ``apply(level)``, called before a reset.
        levels: What ``apply`` is given, from easy to hard; not used with functions.
        promote_at: Success rate in (0, 1] over a full window from which on the next level begins.
        window: Episodes over which the rate is taken; those of another level do not count.
        demote_at: Rate at or below which the level before comes back; None: never.
        success: Says whether an episode succeeded; None: ``info["is_success"]`` of its last step.

    Raises:
        UserError: There is no level, a number is out of range, or spaces differ between levels;
            later, ``apply`` changed the spaces, or an episode ends without saying whether it
            succeeded.
    """

    def __init__(
        self,
        source: Sequence[Callable[[], gymnasium.Env]] | gymnasium.Env,
        levels: Sequence[Any] = (),
        *,
        promote_at: float = 0.8,
        window: int = 50,
        demote_at: float | None = None,
        success: Success | None = None,
    ) -> None:
        _check(promote_at, window, demote_at)
        self._makers, self._levels = _levels(source, levels)
        super().__init__(source if isinstance(source, gymnasium.Env) else self._makers[0]())
        for level, make in enumerate(self._makers[1:], start=1):
            self._made(make, level).close()  # a mistake in the last level shows before training
        self._promote_at, self._demote_at = promote_at, demote_at
        self._success = success or marked_success
        self._outcomes: deque[bool] = deque(maxlen=window)
        self._level, self._in_force, self._return = 0, -1, 0.0
        self._rng = np.random.default_rng()

    @property
    def level(self) -> int:
        """The level of the next episode, from 0; it is that of this one unless that just ended."""
        return self._level

    @property
    def success_rate(self) -> float:
        """Share of the last episodes on this level that succeeded; NaN before the first."""
        return sum(self._outcomes) / len(self._outcomes) if self._outcomes else float("nan")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode on the present level."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        if self._in_force != self._level:
            self._enter()
            if self._makers and seed is None:
                seed = int(self._rng.integers(2**31))
        self._return = 0.0
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, info | self._info()

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step; where the episode ends, count it and choose the level of the next."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._return += float(reward)
        said = self._info()
        if terminated or truncated:
            self._count(bool(self._success(info, self._return)))
        return observation, reward, terminated, truncated, info | said

    def get_state(self) -> dict[str, Any]:
        """Return the curriculum's state in plain data, the episode not included.

        Taken between two episodes, it makes the next ones exactly those that would have come, if
        the environment draws all its random numbers from its own generator.
        """
        return {
            "level": self._level,
            "outcomes": list(self._outcomes),
            "in_force": self._in_force,
            "random": self._rng.bit_generator.state,
            "inner": self.env.unwrapped.np_random.bit_generator.state,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `get_state` returned; a new episode must begin next.

        Raises:
            UserError: It is of a curriculum with more levels.
        """
        count = len(self._makers or self._levels)
        if not 0 <= state["level"] < count:
            raise UserError(f"The saved level {state['level']} is none of these {count} levels.")
        self._level = int(state["in_force"])
        if self._level >= 0:
            self._enter()
        self._level = int(state["level"])
        self._outcomes.clear()
        self._outcomes.extend(state["outcomes"])
        self._rng.bit_generator.state = state["random"]
        self.env.unwrapped.np_random.bit_generator.state = state["inner"]

    def _enter(self) -> None:
        if not self._makers:
            before = [getattr(self.env, name) for name in SPACES]
            self.env.unwrapped.apply(self._levels[self._level])  # type: ignore[attr-defined]
            self._check_spaces(before, self._level)
        elif self._level != max(self._in_force, 0):  # the first level is there from the start
            made = self._made(self._makers[self._level], self._level)
            self.env.close()
            self.env = made
        self._in_force = self._level

    def _made(self, make: Callable[[], gymnasium.Env], level: int) -> gymnasium.Env:
        """Return a level's environment, if it looks like the present one."""
        env = make()
        try:
            self._check_spaces([getattr(env, name) for name in SPACES], level)
        except UserError:
            env.close()
            raise
        return env

    def _check_spaces(self, others: Sequence[Any], level: int) -> None:
        for name, other in zip(SPACES, others, strict=True):
            if getattr(self.env, name) != other:
                raise UserError(f"Level {level} has another {name} than the other levels.")

    def _count(self, succeeded: bool) -> None:
        self._outcomes.append(succeeded)
        if len(self._outcomes) < (self._outcomes.maxlen or 0):
            return
        last = len(self._makers or self._levels) - 1
        if self.success_rate >= self._promote_at and self._level < last:
            self._move(1)
        elif self._demote_at is not None and self.success_rate <= self._demote_at and self._level:
            self._move(-1)

    def _move(self, by: int) -> None:
        self._level += by
        self._outcomes.clear()

    def _info(self) -> dict[str, Any]:
        return {"curriculum_level": self._in_force, "curriculum_success": self.success_rate}


def marked_success(info: Mapping[str, Any], _: float) -> bool:
    """Return ``is_success`` of an episode's last info.

    Raises:
        UserError: There is none.
    """
    if "is_success" not in info:
        raise UserError(
            "An episode ended without info['is_success']; give Curriculum a function `success`."
        )
    return bool(info["is_success"])


def _levels(
    source: Sequence[Callable[[], gymnasium.Env]] | gymnasium.Env, levels: Sequence[Any]
) -> tuple[list[Callable[[], gymnasium.Env]], list[Any]]:
    """Return functions that make levels, or settings of levels; one of them is empty."""
    if isinstance(source, gymnasium.Env):
        if not hasattr(source.unwrapped, "apply"):
            raise UserError(f"{type(source.unwrapped).__name__} has no method apply(level).")
        makers: list[Callable[[], gymnasium.Env]] = []
    elif not isinstance(source, Sequence) or not all(callable(make) for make in source):
        raise UserError(
            "A curriculum takes a list of functions, each of which makes the environment of a "
            f"level, or one environment with levels; got {_named(source)}."
        )
    else:
        makers = list(source)
    if not makers and not len(levels):
        raise UserError("A curriculum needs at least one level.")
    return makers, [] if makers else list(levels)


def _named(source: Any) -> str:
    return "a single function" if callable(source) else f"a {type(source).__name__}"


def _check(promote_at: float, window: int, demote_at: float | None) -> None:
    if not 0 < promote_at <= 1:
        raise UserError(f"promote_at must be above 0 and at most 1; got {promote_at:g}.")
    if window < 1:
        raise UserError(f"window must be at least 1; got {window}.")
    if demote_at is not None and not 0 <= demote_at < promote_at:
        raise UserError(f"demote_at must be from 0 to below promote_at; got {demote_at:g}.")
