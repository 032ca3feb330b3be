"""Ends of episodes: what the innermost environment says against what comes out of its wrappers.

A fault inside the innermost environment cannot be seen here; nothing tells a limit from a failure
but its own word.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium

from plumbrl.audits.restore import MakeEnv
from plumbrl.audits.traces import sampled_actions
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

NAME = "ends of episodes are reported as they are"
Flags = tuple[bool, bool]


@dataclass(frozen=True)
class End:
    """A step at which an episode ended, inside or outside.

    Attributes:
        inner: Terminated and truncated, as the innermost environment said.
        outer: As it came out.
        at_limit: Whether the step was the last that the time limit allows.
    """

    inner: Flags
    outer: Flags
    at_limit: bool

    @property
    def lost(self) -> bool:
        """A terminal state or a limit was reached, and nothing was said."""
        return (self.inner[0] or self.at_limit) and not any(self.outer)

    @property
    def failure_as_limit(self) -> bool:
        """A terminal state came out as a truncation."""
        return self.inner[0] and self.outer == (False, True)

    @property
    def limit_as_failure(self) -> bool:
        """A limit came out as a terminal state."""
        return (
            (self.at_limit or self.inner[1]) and not self.inner[0] and self.outer == (True, False)
        )


def check_ends(make_env: MakeEnv, *, seed: int = 0, steps: int = 1000) -> Outcome:
    """Compare the flags of all ends that random actions meet.

    Args:
        make_env: Returns a new environment at each call.
        seed: Of the first episode; the following ones count up.
        steps: In all; longer than the time limit, or nothing is said of it.
    """
    with closing(make_env()) as env:
        if env is env.unwrapped:
            return skipped(NAME, "nothing is wrapped: the environment's own word is all there is")
        ends = list(_ends(env, seed, steps))
    if not ends:
        return Check(NAME, "inconclusive", f"no episode ended within {steps} steps"), None
    cause = _cause(ends)
    wrong = sum(end.lost or end.failure_as_limit or end.limit_as_failure for end in ends)
    limits = sum(end.at_limit for end in ends)
    reason = f"{wrong} of {len(ends)} ends are wrong; {limits} of them were at the limit"
    if cause is None:
        return Check(NAME, "passed", reason), None
    share = Evidence("share of wrong ends", wrong / len(ends), "0", "", f"{steps} steps")
    return found(NAME, cause, reason, share)


def _cause(ends: list[End]) -> str | None:
    if any(end.lost for end in ends):
        return "environment.end-not-reported"
    failure = any(end.failure_as_limit for end in ends)
    limits = [e.limit_as_failure for e in ends if (e.at_limit or e.inner[1]) and not e.inner[0]]
    limit = bool(limits) and all(limits)
    if failure and limit:
        return "environment.end-flags-swapped"
    if failure:
        return "environment.failure-reported-as-truncated"
    return "environment.limit-reported-as-terminal" if limit else None


def _ends(env: gymnasium.Env, seed: int, steps: int) -> Iterator[End]:
    limit, length = time_limit(env), 0
    with _watched(env.unwrapped) as said:
        env.reset(seed=seed)
        for action in sampled_actions(env, steps, seed):
            said.clear()
            _, _, *outer, _ = env.step(action)
            length += 1
            inner = (any(s[0] for s in said), any(s[1] for s in said))
            end = End(inner, (bool(outer[0]), bool(outer[1])), length == limit)
            if any(inner) or any(outer) or end.at_limit:
                yield end
                seed, length = seed + 1, 0
                env.reset(seed=seed)


@contextmanager
def _watched(env: gymnasium.Env) -> Iterator[list[Flags]]:
    """Collect the flags of every step; a wrapper that repeats actions takes several."""
    said: list[Flags] = []
    step = env.step

    def watched(action: Any) -> tuple[Any, ...]:
        result = step(action)
        said.append((bool(result[2]), bool(result[3])))
        return result

    env.step = watched  # type: ignore[method-assign]
    try:
        yield said
    finally:
        del env.step


def time_limit(env: gymnasium.Env) -> int | None:
    """Return after how many steps a `TimeLimit` among the wrappers ends an episode."""
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, gymnasium.wrappers.TimeLimit):
            return env._max_episode_steps
        env = env.env
    return None
