"""Whether stepping becomes slower and slower: the same episode, timed again and again."""

import time
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from plumbrl.audits.subject import Subject
from plumbrl.audits.traces import sampled_actions
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME = "steps take as long as at the start"
STEPS, SEGMENT, FEWEST = 12_000, 100, 12
"""Steps at most, steps that are timed together, and how often at least."""
SLOWER, MUCH_SLOWER = 1.8, 4.0
"""Last third over first third of the time of a step: of the process, and by the clock, which other
work on the machine makes slower too."""


@dataclass(frozen=True)
class Pace:
    """How long a step took, by segments of the same steps.

    Attributes:
        process: Seconds of processor, (K,).
        wall: Seconds by the clock, (K,).
    """

    process: Array
    wall: Array


def ask_pace(subject: Subject) -> list[Outcome]:
    """Return whether steps become slower."""
    budget = subject.budget.part(0.1)
    process, wall = [], []
    with closing(subject.make_env()) as env:
        actions = sampled_actions(env, SEGMENT, subject.seed)
        while len(process) * SEGMENT < STEPS and not (budget.over or _enough(process)):
            times = _timed(env, subject.seed, actions)
            process.append(times[0])
            wall.append(times[1])
    return [check_pace(Pace(np.array(process), np.array(wall)))]


def _enough(process: list[float]) -> bool:
    """Three seconds show what grows; whatever grows slower than that is for a profiler."""
    return len(process) >= FEWEST and sum(process) * SEGMENT > 3.0


def _timed(env: gymnasium.Env, seed: int, actions: list[Any]) -> tuple[float, float]:
    """Take the same steps and return seconds per step, of the process and by the clock."""
    env.reset(seed=seed)
    copies = deepcopy(actions)
    process, wall, resets = time.process_time(), time.perf_counter(), [0.0, 0.0]
    for action in copies:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            before = time.process_time(), time.perf_counter()
            env.reset(seed=seed)
            resets[0] += time.process_time() - before[0]
            resets[1] += time.perf_counter() - before[1]
    spent = time.process_time() - process - resets[0], time.perf_counter() - wall - resets[1]
    return spent[0] / len(actions), spent[1] / len(actions)


def check_pace(pace: Pace) -> Outcome:
    """Compare the fastest of the first, middle and last third: other work only makes slower."""
    if len(pace.process) < FEWEST:
        reason = f"{len(pace.process) * SEGMENT} steps were timed; {FEWEST * SEGMENT} are needed"
        return skipped(NAME, reason)
    grown = [_grown(times) for times in (pace.process, pace.wall)]
    reason = (
        f"{pace.wall.min() * 1e6:.0f} us at best; over {len(pace.wall) * SEGMENT} steps "
        f"{max(grown):.2f} times as long at the end"
    )
    if grown[0] < SLOWER and grown[1] < MUCH_SLOWER:
        return Check(NAME, "passed", reason), None
    evidence = Evidence("time of a step, last over first", max(grown), f"below {SLOWER}")
    return found(NAME, "environment.step-time-grows", reason, evidence, confidence=0.85)


def _grown(times: Array) -> float:
    """Return last over first; 1 where the middle does not lie between them, as a trend has it."""
    first, middle, last = (float(part.min()) for part in np.array_split(times, 3))
    if not first < middle < last or min(times[-3:]) < middle:
        return 1.0
    return last / max(first, 1e-9)
