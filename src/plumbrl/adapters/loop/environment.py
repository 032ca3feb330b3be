"""The environment of a hand-written loop, and what the loop does with it."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np

from plumbrl.errors import UserError
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, passed, skipped

Array = np.ndarray
KEPT = 4096
"""Steps that are remembered, from the first one on."""
MANY, SHORT = 50, 3
"""Episodes that are reset before their end, at least; and steps of one that are too few."""
LARGEST = 1024
"""Numbers in an observation, beyond which steps are not remembered."""
ASKED, SELDOM = 512, 16
"""First steps whose greedy action is asked for, and every so many of the later ones."""
AFTER, THIN = 128, 0.03
"""First steps that do not count, and the share of random actions in the rest that is too small:
1 %, a usual end, and three standard errors of it."""


class WatchedEnvironment(gymnasium.Wrapper):
    """Looks on while a loop uses an environment, and changes nothing.

    Args:
        env: Of the loop.
        tell: Called with what was found to be wrong.
        ended: Called with return and length of every episode.

    Attributes:
        steps: Made so far.
        tried: Calls of `step`, those that failed included.
        resets: Made so far.
        abandoned: Episodes that were reset before their end.
        closed: Whether the loop has closed it.
        happened: (observation, action, reward, next observation, terminated, truncated) of every
            step, as long as there are few.
        greedy: Greedy action for an observation; None if nobody knows it.
    """

    def __init__(
        self, env: gymnasium.Env, tell: Callable[[Outcome], None],
        ended: Callable[[float, int], None],
    ) -> None:  # fmt: skip
        super().__init__(env)
        self._tell, self._told = tell, ended
        self.steps = self.tried = self.resets = self.abandoned = 0
        self.closed = False
        self.happened: list[tuple[Any, ...]] = []
        self.greedy: Callable[[Any], int] | None = None
        self._agreed: deque[bool] = deque(maxlen=ASKED)
        self._over, self._return, self._length = False, 0.0, 0
        self._seen: Any = None
        self._restarts = any(isinstance(e, gymnasium.wrappers.Autoreset) for e in _layers(env))

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, and count it."""
        seen, info = self.env.reset(**kwargs)
        self.resets += 1
        self.abandoned += self._length > 0 and not self._over
        self._over, self._return, self._length = False, 0.0, 0
        self._seen = _copied(seen)
        return seen, info

    def step(self, action: Any) -> tuple[Any, ...]:
        """Step, and remember it."""
        self._before(action)
        after, reward, terminated, truncated, info = self.env.step(action)
        self.steps += 1
        self._return, self._length = self._return + float(reward), self._length + 1
        then = _copied(after)
        if len(self.happened) == self.steps - 1 < KEPT and np.size(self._seen) <= LARGEST:
            row = (self._seen, action, float(reward), then, bool(terminated), bool(truncated))
            self.happened.append(row)
        self._seen = then
        if (terminated or truncated) and not self._over:
            self._told(self._return, self._length)
            self._over = not self._restarts
        return after, reward, terminated, truncated, info

    def close(self) -> None:
        """Close, and note it."""
        self.closed = True
        self.env.close()

    def greedy_share(self) -> float | None:
        """Share of the last actions that were the best by the values of that moment."""
        return float(np.mean(self._agreed)) if len(self._agreed) >= SELDOM else None

    def _before(self, action: Any) -> None:
        self.tried += 1
        space = self.action_space
        if isinstance(space, gymnasium.spaces.Discrete) and not _inside(action, space):
            told = f"step {self.steps + 1} was given {action!r}, not a number of {space}"
            given = Evidence("action", _number(action), str(space))
            self._say("actions are in their space", "policy.action-outside-space", told, given)
        if self._over:
            told = f"step {self.steps + 1} follows the end of an episode without a reset"
            ends = Evidence("steps made after an end", 1.0, "0")
            self._say("episodes are reset", "environment.stepped-after-end", told, ends)
        if self.greedy is not None and (self.steps < ASKED or self.steps % SELDOM == 0):
            self._ask(action)

    def _ask(self, action: Any) -> None:
        """Compare an action with the greedy one; who cannot be asked is not asked again."""
        assert self.greedy is not None
        try:
            self._agreed.append(self.greedy(self._seen) == int(action))
        except Exception:
            self.greedy = None
            return
        if self.steps + 1 == ASKED and len(self._agreed) == ASKED:
            self._explores(1 - np.array(self._agreed))

    def _explores(self, others: Array) -> None:
        """Judge the first actions by which were not the greedy one, (ASKED,)."""
        if not others.any():
            told = f"all of the first {ASKED} actions are the best by the values of that moment"
            share = Evidence("share of greedy actions", 1.0, "below 1 at first")
            self._say("it explores", "configuration.exploration-missing", told, share, 0.9)
            return
        n = int(self.action_space.n)  # type: ignore[attr-defined]
        random = float(others[AFTER:].mean()) * n / max(1, n - 1)
        if random < THIN:
            told = f"about {random:.1%} of actions {AFTER} to {ASKED} are random"
            share = Evidence("share of random actions", random, "near 1 at first")
            self._say("it explores", "configuration.exploration-decays-early", told, share, 0.7)

    def _say(
        self, name: str, cause: str, told: str, evidence: Evidence, confidence: float = 1.0
    ) -> None:
        self._tell(found(name, cause, told, evidence, step=self.steps, confidence=confidence))


def watched(
    env: Any, tell: Callable[[Outcome], None], ended: Callable[[float, int], None]
) -> WatchedEnvironment:
    """Return an environment that is looked at.

    Raises:
        UserError: It is none; that there is none at all is told, too.
    """
    if isinstance(env, gymnasium.Env):
        return WatchedEnvironment(env, tell, ended)
    if env is None:
        nothing = Evidence("environments", 0.0, "1")
        tell(found("there is an environment", "environment.missing", "there is none", nothing))
    raise UserError(
        f"environment() takes one Gymnasium environment, and this is of type {type(env).__name__}."
    )


def used(env: WatchedEnvironment) -> Iterator[Outcome]:
    """Say how an environment was used, once the loop is over."""
    name = "the environment is used"
    if env.tried:
        yield passed(name, env.steps, 0.0)[0], None
    else:
        told = f"it was reset {env.resets} times, and not stepped once"
        none = Evidence("steps", 0.0, "above 0")
        yield found(name, "environment.never-stepped", told, none)
    if env.abandoned >= MANY and env.steps < SHORT * env.abandoned:
        each = Evidence("steps between resets", env.steps / env.resets, "whole episodes")
        told = f"{env.abandoned} of {env.resets} resets cut an episode off at once"
        yield found("episodes are played", "environment.reset-at-every-step", told, each)
    if env.closed:
        yield Check("the environment is closed", "passed"), None
    elif env.resets or env.steps:
        still = Evidence("open environments", 1.0, "0, before the watch is closed")
        told = "it was still open when the watch was closed"
        yield found("the environment is closed", "environment.not-closed", told, still,
                    step=env.steps)  # fmt: skip
    else:
        yield skipped("the environment is closed", "it was never opened")


def _layers(env: Any) -> Iterator[Any]:
    while isinstance(env, gymnasium.Wrapper):
        yield env
        env = env.env


def _copied(observation: Any) -> Any:
    return np.array(observation) if isinstance(observation, np.ndarray) else observation


def _number(action: Any) -> float:
    try:
        return float(action)
    except (TypeError, ValueError):
        return float("nan")


def _inside(action: Any, space: Any) -> bool:
    number = _number(action)
    return number == number and number.is_integer() and 0 <= number - space.start < space.n
