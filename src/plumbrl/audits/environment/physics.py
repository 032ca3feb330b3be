"""What happens without being asked for: drift at rest, jumps after a reset, states not restored."""

from contextlib import closing
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from plumbrl.audits.environment.columns import spreads
from plumbrl.audits.environment.opposites import moved
from plumbrl.audits.sample import Sample, flatten
from plumbrl.audits.subject import Subject
from plumbrl.audits.traces import Moment, act, begin, compare, sampled_actions
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
REST, JUMP = "nothing blows up without action", "the first step is like the others"
SAVED, COPIED = "a saved state is restored", "a copy goes on alike"
IDLE = 300
FAR = 1e4
"""Standard deviations under random actions beyond which something has blown up."""
LEAP = 5.0
"""First change after a reset over nearly the largest of later ones; healthy robots stay below 1."""


def ask_physics(subject: Subject) -> list[Outcome]:
    """Return what the simulation does by itself, and whether its state can be kept."""
    sample = subject.random
    return [rest(subject), check_jump(sample), *saving(subject)]


def rest(subject: Subject) -> Outcome:
    """Hold the action in the middle and say how far things go."""
    space = subject.spaces[1]
    if not isinstance(space, spaces.Box):
        return skipped(REST, "actions are choices, none of which is rest")
    rows, spread = [], spreads(subject.random.next_observations)
    with closing(subject.make_env()) as env:
        rows.append(flatten(env.reset(seed=subject.seed)[0]))
        for _ in range(IDLE):
            observation, _, terminated, truncated, _ = env.step(moved(space, None, 0))
            rows.append(flatten(observation))
            if terminated or truncated:
                break
    return check_rest(np.array(rows), spread)


def check_rest(rows: Array, spread: Array) -> Outcome:
    """Judge observations at rest, (T, D), by their spread under random actions, (D,)."""
    with np.errstate(all="ignore"):
        far = np.abs(rows - rows[0]) / np.where(spread > 1e-9, spread, np.inf)
    largest = float(np.nanmax(far)) if far.size else 0.0
    steps = len(rows) - 1
    reason = f"within {steps} steps the farthest goes {largest:.3g} of its spread"
    if np.isfinite(rows).all() and largest < FAR:
        return Check(REST, "passed", reason), None
    evidence = Evidence("largest distance from the start", largest, f"below {FAR:g}")
    return found(REST, "environment.physics-unstable", reason, evidence, confidence=0.8)


def check_jump(sample: Sample) -> Outcome:
    """Compare the first change after a reset with all later ones."""
    first = sample.t == 0
    if "f" not in sample.kinds or first.sum() < 5 or (~first).sum() < 50:
        return skipped(JUMP, "too few episodes of measurements were seen")
    spread = spreads(sample.observations)
    changes = np.abs(sample.next_observations - sample.observations)
    with np.errstate(all="ignore"):
        size = np.nanmax(changes / np.where(spread > 1e-9, spread, np.inf), axis=1)
    size = np.nan_to_num(size)
    leap, usual = float(np.median(size[first])), float(np.quantile(size[~first], 0.99))
    reason = (
        f"first steps change what is seen by {leap:.2g} of its spread, 99% of later by {usual:.2g}"
    )
    if leap < LEAP * max(usual, 1e-9):
        return Check(JUMP, "passed", reason), None
    evidence = Evidence("first change over later ones", leap / max(usual, 1e-9), f"below {LEAP:g}")
    return found(JUMP, "environment.jumps-after-reset", reason, evidence, confidence=0.7)


def saving(subject: Subject) -> list[Outcome]:
    """Return whether states that can be saved come back, and whether copies go on alike."""
    with closing(subject.make_env()) as env:
        actions = sampled_actions(env, 30, subject.seed)
        return [_saved(env, actions, subject.seed), _copied(env, actions, subject.seed)]


def _saved(env: gymnasium.Env, actions: list[Any], seed: int) -> Outcome:
    if not (env.has_wrapper_attr("get_state") and env.has_wrapper_attr("set_state")):
        return skipped(SAVED, "the environment offers no get_state and set_state")
    save, load = env.get_wrapper_attr("get_state"), env.get_wrapper_attr("set_state")
    if not _started(env, actions, seed):
        return skipped(SAVED, "the episode ended within five steps")
    try:
        state = deepcopy(save())
        expected = _going_on(env, actions)
        env.reset(seed=seed + 1)
        load(state)
    except (TypeError, NotImplementedError) as error:
        return skipped(SAVED, f"get_state and set_state take other arguments: {error}")
    mismatch = compare(_going_on(env, actions), expected)
    if mismatch is None:
        return Check(SAVED, "passed", f"{len(expected)} steps equal bit for bit"), None
    reason = (
        f"step {mismatch.first + 1} after set_state differs: {', '.join(sorted(mismatch.kinds))}"
    )
    evidence = Evidence("share of steps that differ", mismatch.share, "0")
    return found(SAVED, "environment.state-not-restored", reason, evidence, confidence=0.95)


def _copied(env: gymnasium.Env, actions: list[Any], seed: int) -> Outcome:
    if not _started(env, actions, seed):
        return skipped(COPIED, "the episode ended within five steps")
    try:
        copy = deepcopy(env)
    except Exception as error:
        return skipped(COPIED, f"it cannot be copied: {type(error).__name__}")
    with closing(copy):
        mismatch = compare(_going_on(copy, actions), _going_on(env, actions))
    if mismatch is None:
        return Check(COPIED, "passed", "a copy made by deepcopy gives the same steps"), None
    return Check(COPIED, "inconclusive", "a copy made by deepcopy parts; nothing promises it"), None


def _started(env: gymnasium.Env, actions: list[Any], seed: int) -> bool:
    begin(env, seed)
    return not any(act(env, action).ended for action in actions[:5])


def _going_on(env: gymnasium.Env, actions: list[Any]) -> list[Moment]:
    moments = []
    for action in actions[5:]:
        moments.append(act(env, action))
        if moments[-1].ended:
            break
    return moments
