"""Arrays that cross the environment's edge belong to one side only, and come at the right step."""

from contextlib import closing
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np

from plumbrl.audits.restore import MakeEnv
from plumbrl.audits.traces import Leaves, Moment, leaves, parts, record, same, sampled_actions
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

ALIASED, MODIFIED = "observations stay as they were returned", "actions stay as they were given"
LAG = "observations show the latest state"
EPISODES = 8
"""Starts looked at for a lag; a start at which nothing moves is common, eight of eight are not."""


class Kept:
    """Observations as returned and copies of them, to see which change later."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Leaves, Leaves]] = []

    def add(self, observation: Any) -> None:
        """Keep an observation without copying it, and a copy."""
        arrays = {k: leaf for k, leaf in parts(observation).items() if isinstance(leaf, np.ndarray)}
        if arrays:
            self._pairs.append((arrays, deepcopy(arrays)))

    def outcome(self) -> Outcome:
        """Say how many of them have changed since."""
        if not self._pairs:
            return skipped(ALIASED, "observations are no arrays")
        changed = sum(not same(arrays, copies) for arrays, copies in self._pairs)
        reason = f"{changed} of {len(self._pairs)} observations changed after they were returned"
        if not changed:
            return Check(ALIASED, "passed", reason), None
        share = changed / len(self._pairs)
        evidence = Evidence("share of returned observations that changed", share, "0")
        return found(ALIASED, "environment.observation-aliased", reason, evidence)


def check_arrays(make_env: MakeEnv, *, seed: int = 0, steps: int = 200) -> list[Outcome]:
    """Check that observations are not written to later, actions not at all, and none comes late.

    Args:
        make_env: Returns a new environment at each call.
        seed: Of the episodes.
        steps: How many to take.
    """
    kept, modified = Kept(), 0
    with closing(make_env()) as env:
        observation, _ = env.reset(seed=seed)
        kept.add(observation)
        for action in sampled_actions(env, steps, seed):
            given = deepcopy(action)
            observation, _, terminated, truncated, _ = env.step(given)
            modified += not same(leaves(given), leaves(action))
            kept.add(observation)
            if terminated or truncated:
                kept.add(env.reset()[0])
    return [kept.outcome(), _actions(modified, steps), check_lag(make_env, seed)]


def _actions(modified: int, steps: int) -> Outcome:
    reason = f"{modified} of {steps} actions changed"
    if not modified:
        return Check(MODIFIED, "passed", reason), None
    evidence = Evidence("share of actions that changed", modified / steps, "0")
    return found(MODIFIED, "environment.action-modified", reason, evidence)


def check_lag(make_env: MakeEnv, seed: int = 0) -> Outcome:
    """Check that the first step shows something new; a lag of one shows the start twice."""
    with closing(make_env()) as env:
        episodes = [record(env, seed + k, sampled_actions(env, 12, k)) for k in range(EPISODES)]
    if not any(part.dtype.kind == "f" for part in episodes[0][0].observation.values()):
        return skipped(LAG, "observations are whole numbers, which may well stay the same")
    repeats = [[_repeats(*pair) for pair in pairwise(e)] for e in episodes]
    first = float(np.mean([steps[0] for steps in repeats]))
    later = float(np.mean([repeat for steps in repeats for repeat in steps[1:]]))
    reason = f"{first:.0%} of first steps, {later:.0%} of later ones show what was shown before"
    if first < 1 or later > 0.1:
        return Check(LAG, "passed", reason), None
    evidence = Evidence("share of first steps that show the start again", first, f"{later:.2f}")
    return found(LAG, "environment.observation-lags", reason, evidence, confidence=0.8)


def _repeats(before: Moment, now: Moment) -> bool:
    return not now.begins and same(before.observation, now.observation)
