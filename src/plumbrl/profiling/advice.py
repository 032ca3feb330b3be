"""What to change first: shares of the time and what a change does to them, by Amdahl's law."""

import os
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from plumbrl.profiling.environment import EnvironmentProfile
from plumbrl.profiling.experiments import Changes, Experiment
from plumbrl.profiling.learner import ENVIRONMENT, LEARNER, POLICY, TrainingProfile

Basis = Literal["if it were free", "measured", "estimated"]
WORTH = 0.05
"""Gain from which on advice is given."""
CLEAR = 1.1
"""Speed-up of a part from which a measurement is believed."""
LARGE = 0.25
"""Share from which on a part is called the bottleneck."""
PIPE_SECONDS = 170e-6
"""Cost of a step through a process: 130 to 200 microseconds, measured on two cores."""
PHYSICS, CAMERAS, RESET = "physics", "cameras", "reset"


@dataclass(frozen=True)
class Advice:
    """A change, and how much faster everything would be: 0.3 is 30 % more timesteps a second."""

    what: str
    gain: float
    basis: Basis
    changes: Changes = ""
    """What it changes beside the speed."""


def amdahl(share: float, speedup: float = float("inf")) -> float:
    """Return how much faster everything gets if a part of it does: 1 / (1 - p + p / s) - 1.

    Amdahl (1967), Validity of the single processor approach.

    Args:
        share: p, of the time in the part, from 0 to 1.
        speedup: s, of the part, above 0; infinite if the part were free.

    Returns:
        Infinite if everything were free.
    """
    left = 1 - share + share / speedup
    return 1 / left - 1 if left > 0 else float("inf")


def bottleneck(shares: dict[str, float]) -> tuple[str, float] | None:
    """Return what takes the largest share, if that is large: a group, or a part of it.

    Args:
        shares: By part; the name of a group comes before a slash.

    Returns:
        The largest group, or the part of the environment that takes at least half of it; its share.
    """
    groups: dict[str, float] = defaultdict(float)
    for name, share in shares.items():
        groups[name.partition("/")[0]] += share
    group, whole = max(groups.items(), key=lambda item: item[1], default=("", 0.0))
    within = {n: s for n, s in shares.items() if n.partition("/")[0] == group}
    part, share = max(within.items(), key=lambda item: item[1], default=("", 0.0))
    if whole < LARGE:
        return None
    alone = share >= whole / 2 and group in (ENVIRONMENT, part)
    return (part, share) if alone else (group, whole)


def advise(
    environment: EnvironmentProfile,
    training: TrainingProfile | None,
    experiments: list[Experiment],
    *,
    num_envs: int = 1,
    batched: bool = True,
) -> list[Advice]:
    """Return what to change: what keeps task and learning as they are first, by gain.

    Args:
        environment: One environment.
        training: The training, if it was measured: shares are then of that.
        experiments: What was tried.
        num_envs: Of the training.
        batched: Whether environments have a vector form of their own or processes already.
    """
    shares = training.shares if training else environment.layers
    found = [*_of_bottleneck(shares), *_within(shares)]
    if training:
        groups = training.groups
        found += [
            Advice(e.what, amdahl(groups[e.group], e.speedup), "measured", e.changes)
            for e in experiments
            if e.speedup >= CLEAR
        ]
        found += _around(training, environment, num_envs, batched)
    worth = [a for a in found if a.gain >= WORTH]
    return sorted(worth, key=lambda a: (a.changes != "", -a.gain))


def _of_bottleneck(shares: dict[str, float]) -> list[Advice]:
    """What to do about a part that nothing more special is known of."""
    name, share = bottleneck(shares) or ("", 0.0)
    part = name.rpartition("/")[2]
    if not part or part in (PHYSICS, CAMERAS, RESET, LEARNER, POLICY):
        return []
    return [Advice(f"halve what {part} takes", amdahl(share, 2), "estimated")]


def _within(shares: dict[str, float]) -> list[Advice]:
    """Changes of what a step consists of, by the name of a part."""
    by_name = {name.rpartition("/")[2]: share for name, share in shares.items()}
    found = []
    if CAMERAS in by_name:
        gain = amdahl(by_name[CAMERAS], 2)
        found.append(Advice("half the pixels, half the rate, or one camera", gain, "estimated"))
    if by_name.get(PHYSICS, 0) > LARGE:
        gain = amdahl(by_name[PHYSICS], 2)
        what = "half as many physics steps: a longer timestep, or the implicitfast integrator"
        found.append(Advice(what, gain, "estimated", "the task"))
    if RESET in by_name:
        gain = amdahl(by_name[RESET])
        found.append(Advice("prepare resets ahead, or do less in them", gain, "if it were free"))
    return found


def _around(
    training: TrainingProfile, environment: EnvironmentProfile, num_envs: int, batched: bool
) -> list[Advice]:
    """Changes of what is around a step."""
    groups, found = training.groups, []
    cores = os.cpu_count() or 1
    if not batched and num_envs > 1 and cores > 1:
        step = environment.step.mean
        speedup = step * min(cores, num_envs) / (step + PIPE_SECONDS)
        gain = amdahl(groups[ENVIRONMENT], speedup)
        what = f"a process for each environment (env.processes) on {cores} cores"
        found.append(Advice(what, gain, "estimated"))
    physics = sum(s for n, s in training.shares.items() if n.rpartition("/")[2] == PHYSICS)
    if groups[ENVIRONMENT] < 1 - LARGE or physics:
        gain = amdahl(1 - (physics or groups[ENVIRONMENT]), 2)
        what = "hold each action for two steps (per second of the task)"
        found.append(Advice(what, gain, "estimated", "the task"))
    if groups[LEARNER] > LARGE:
        what = "half as many gradient steps (n_epochs, gradient_steps)"
        found.append(Advice(what, amdahl(groups[LEARNER], 2), "estimated", "learning"))
    return found
