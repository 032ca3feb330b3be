"""Seeds and resets must bring an environment back to exactly the same start, whatever happened."""

import random
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import gymnasium
import numpy as np

from plumbrl.audits.traces import (
    Mismatch,
    Moment,
    act,
    begin,
    compare,
    record,
    same,
    sampled_actions,
)
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

MakeEnv = Callable[[], gymnasium.Env]
SAME, AFTER, OTHER = "same seed, same episode", "same seed after other episodes", "other seeds"
SEEDS = 6
"""Seeds compared with each other; few are enough, for one that differs settles it."""


def check_restore(make_env: MakeEnv, *, seed: int = 0, steps: int = 200) -> list[Outcome]:
    """Check that seeds and resets do what they promise.

    Args:
        make_env: Returns a new environment at each call.
        seed: Of the episodes that are repeated.
        steps: In each of them; long enough that some episodes end.
    """
    first = check_same_seed(make_env, seed, steps)
    if first[1]:
        reason = "the same seed gives other episodes anyway"
        return [first, skipped(AFTER, reason), skipped(OTHER, reason)]
    return [first, check_after_others(make_env, seed, steps), check_other_seeds(make_env, seed)]


def check_same_seed(make_env: MakeEnv, seed: int, steps: int) -> Outcome:
    """Compare two new environments, with the same seed and the same actions."""
    run = partial(_fresh, make_env, seed, steps)
    expected = run()
    mismatch = compare(run(), expected)
    if mismatch is None:
        return Check(SAME, "passed", f"{len(expected)} calls equal bit for bit"), None
    source = _source(run)
    reason = (
        f"two new environments part at call {mismatch.first}; random numbers come from {source}"
    )
    return found(SAME, "environment.seed-ignored", reason, *_evidence(mismatch))


def check_after_others(make_env: MakeEnv, seed: int, steps: int) -> Outcome:
    """Compare a new environment with one that has seen other episodes, broken off or ended."""
    expected = _fresh(make_env, seed, steps)
    with closing(make_env()) as env:
        actions = sampled_actions(env, steps, seed)
        for k, length in enumerate((1, 7, steps)):
            last = _other_episode(env, seed + 1 + k, length)
            again = record(env, seed, actions)
            mismatch = compare(again, expected)
            if mismatch:
                reason = f"after an episode of {length} steps, call {mismatch.first} differs"
                cause = _leak(mismatch, again[0], last)
                return found(AFTER, cause, reason, *_evidence(mismatch))
    return Check(AFTER, "passed", f"{3 * len(expected)} calls equal bit for bit"), None


def check_other_seeds(make_env: MakeEnv, seed: int) -> Outcome:
    """Check that seeds differ, or that nothing in the environment is random."""
    episodes = [_fresh(make_env, seed + k, 20, actions=seed) for k in range(SEEDS)]
    starts = _distinct([episode[:1] for episode in episodes])
    inner = [_inner_start(make_env, seed + k) for k in range(SEEDS)]
    count = Evidence("different starts", starts, "more than 1", "", f"{SEEDS} seeds")
    if starts == 1 < _distinct(inner):
        reason = "the innermost environment starts differently with each seed, the wrapped one not"
        return found(OTHER, "environment.seed-overridden", reason, count)
    if _distinct(episodes) > 1:
        return Check(OTHER, "passed", f"{starts} different starts with {SEEDS} seeds"), None
    reason = f"{SEEDS} seeds give the same episode: nothing is random, or seeds have no effect"
    named = finding("environment.seed-has-no-effect", step=0, evidence=(count,), confidence=0.5)
    return Check(OTHER, "inconclusive", reason), named


def _fresh(make_env: MakeEnv, seed: int, steps: int, actions: int | None = None) -> list[Moment]:
    with closing(make_env()) as env:
        return record(env, seed, sampled_actions(env, steps, seed if actions is None else actions))


def _inner_start(make_env: MakeEnv, seed: int) -> list[Moment]:
    with closing(make_env()) as env:
        return [begin(env.unwrapped, seed)]


def _other_episode(env: gymnasium.Env, seed: int, length: int) -> Moment:
    """Act until the episode ends, or break it off; return the last moment."""
    moment = begin(env, seed)
    for action in sampled_actions(env, length, seed):
        moment = act(env, action)
        if moment.ended:
            break
    return moment


def _leak(mismatch: Mismatch, start: Moment, last: Moment) -> str:
    if mismatch.first == 0 and same(start.observation, last.observation):
        return "environment.stale-reset-observation"
    if mismatch.kinds == {"reward"}:
        return "reward.state-leaks-across-episodes"
    return "environment.state-leaks-across-episodes"


def _source(run: Callable[[], list[Moment]]) -> str:
    """Say whether the global generators explain the difference; they are put back."""
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    traces = []
    for _ in range(2):
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])
        traces.append(run())
    np.random.set_state(states[0])  # noqa: NPY002
    random.setstate(states[1])
    if compare(*traces) is None:
        return "the global generators"
    return "a generator that reset does not seed, or from state that environments share"


def _distinct(traces: list[list[Moment]]) -> int:
    kept: list[list[Moment]] = []
    for trace in traces:
        if all(compare(trace, other) for other in kept):
            kept.append(trace)
    return len(kept)


def _evidence(mismatch: Mismatch) -> tuple[Evidence, Any]:
    where = ", ".join(sorted(mismatch.kinds))
    return (
        Evidence("share of calls that differ", mismatch.share, "0", "", where),
        Evidence("first call that differs", mismatch.first, "none", "call", where),
    )
