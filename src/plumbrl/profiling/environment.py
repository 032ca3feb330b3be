"""One environment with random actions: its steps, resets and pictures, and what they consist of."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np

from plumbrl.profiling import memory
from plumbrl.profiling.clock import Clock
from plumbrl.profiling.functions import Function, Profiler
from plumbrl.profiling.layers import watch_env
from plumbrl.profiling.physics import BarePhysics
from plumbrl.profiling.times import Times, growth, growth_within, spikes

WARM_UP = 5
"""First steps that are told apart: they compile and load."""
LEAST = 20
"""Steps measured whatever they take."""
MOST = 200_000
PICTURES, RESETS = 20, 50
ALONE = 0.8
"""Share of the time that a process works if nothing keeps it from it."""
LEAK = 1.0
"""Growth of memory (MB per 1,000 steps) that is told, if it is `LEAKED` MB in all."""
LEAKED = 8.0
Call = Callable[..., Any]
SHARES = {"steps": 0.45, "layers": 0.15, "resets": 0.05, "functions": 0.15, "render": 0.1,
          "physics": 0.1}  # fmt: skip
"""How the time for the environment is divided."""


@dataclass(frozen=True)
class EnvironmentProfile:
    """What an environment takes. Times are in seconds, shares of a step's time."""

    first: float
    """The first reset and step, with what they compile or load."""
    step: Times
    reset: Times
    render: Times | None
    layers: dict[str, float]
    """Share of a step by layer and part, exact."""
    reset_layers: dict[str, float]
    """Share of a reset by part, exact; `reset` is what has no name of its own."""
    functions: list[Function]
    """By a profiler that slows functions down; see `slowdown`."""
    slowdown: float
    physics: float | None
    """MuJoCo alone, for the physics of a step."""
    physics_steps: int
    notes: list[str] = field(default_factory=list)
    """What is not as it should be."""

    @property
    def of_physics(self) -> float | None:
        """Steps per second as a share of what the bare physics would reach."""
        return self.physics / self.step.mean if self.physics else None


class Walk:
    """Steps with random actions and keeps what every step takes.

    Args:
        env: The environment.
        seed: Of the first reset and of the actions.
        call: Calls a step, if it is not to be called directly.
    """

    def __init__(self, env: gymnasium.Env, seed: int, call: Call | None = None) -> None:
        self.env, self.steps, self.resets, self.ages = env, [], [], []
        self.resident: list[tuple[int, float]] = []
        self._seed: int | None = seed
        self._call = call
        self._age = -1
        env.action_space.seed(seed)

    def go(self, seconds: float, least: int = LEAST) -> None:
        """Step for so long, and at least so often."""
        end, done = time.perf_counter() + seconds, 0
        while done < least or (time.perf_counter() < end and done < MOST):
            if self._age < 0:
                self._reset()
            self._step()
            done += 1

    def _reset(self) -> None:
        begin = time.perf_counter()
        self.env.reset(seed=self._seed)
        self.resets.append(time.perf_counter() - begin)
        self._seed, self._age = None, 0

    def _step(self) -> None:
        action = random_action(self.env)
        step, call = self.env.step, self._call
        begin = time.perf_counter()
        *_, terminated, truncated, _ = call(step, action) if call else step(action)
        self.steps.append(time.perf_counter() - begin)
        self.ages.append(self._age)
        self._age = -1 if terminated or truncated else self._age + 1
        if len(self.steps) % 500 == 0:
            self.resident.append((len(self.steps), memory.resident()))


def random_action(env: gymnasium.Env) -> Any:
    """Return a random action, an allowed one where the environment says which are."""
    masks = getattr(env.unwrapped, "action_masks", None)
    if masks is None or not isinstance(env.action_space, gymnasium.spaces.Discrete):
        return env.action_space.sample()
    return env.action_space.sample(np.asarray(masks(), dtype=np.int8))


def profile_environment(
    make: Callable[[str | None], gymnasium.Env], seconds: float, seed: int = 0
) -> EnvironmentProfile:
    """Measure an environment with random actions.

    Args:
        make: Returns it, given a render mode or None.
        seconds: Time after the first steps; a few more are measured whatever they take.
        seed: Of the first reset and of the actions.
    """
    env = make(None)
    walk = Walk(env, seed)
    walk.go(0, WARM_UP)
    first, left = walk.resets[0] + walk.steps[0], max(0.0, seconds)
    busy = time.process_time(), time.perf_counter()
    walk.go(SHARES["steps"] * left)
    working = (time.process_time() - busy[0]) / (time.perf_counter() - busy[1])
    steps, ages = np.array(walk.steps[WARM_UP:]), np.array(walk.ages[WARM_UP:])
    functions, slowdown = _functions(env, SHARES["functions"] * left, seed, float(np.mean(steps)))
    physics, skip = _physics(env, SHARES["physics"] * left, float(np.mean(steps)))
    render, lacking = _render(make, env, SHARES["render"] * left, seed)
    found = EnvironmentProfile(
        first=first,
        step=Times.of(steps),
        reset=Times.of(np.array(walk.resets[1:] or walk.resets)),
        render=render,
        layers=_layers(env, SHARES["layers"] * left, seed),
        reset_layers=_reset_layers(env, SHARES["resets"] * left),
        functions=functions,
        slowdown=slowdown,
        physics=physics,
        physics_steps=skip,
        notes=[*_notes(steps, ages, walk.resident, working), *lacking],
    )
    env.close()
    return found


def _layers(env: gymnasium.Env, seconds: float, seed: int) -> dict[str, float]:
    with Clock() as clock:
        watch_env(clock, env)
        clock.ignore(env, "reset")
        Walk(env, seed).go(seconds)
    return _shares(clock.seconds)


def _reset_layers(env: gymnasium.Env, seconds: float) -> dict[str, float]:
    end = time.perf_counter() + seconds
    with Clock() as clock:
        watch_env(clock, env)
        for _ in range(RESETS):
            env.reset()
            if time.perf_counter() > end:
                break
    return _shares(clock.seconds)


def _shares(seconds: dict[str, float]) -> dict[str, float]:
    total = sum(seconds.values()) or 1.0
    return {name: s / total for name, s in sorted(seconds.items(), key=lambda item: -item[1])}


def _functions(
    env: gymnasium.Env, seconds: float, seed: int, usual: float
) -> tuple[list[Function], float]:
    profiler = Profiler()
    walk = Walk(env, seed, profiler.call)
    try:
        walk.go(seconds)
    except ValueError as error:  # from Python 3.12 on, if another profiler is on
        if "profiling tool" not in str(error):
            raise
        return [], 1.0
    return profiler.functions(), float(np.mean(walk.steps)) / usual


def _physics(env: gymnasium.Env, seconds: float, step: float) -> tuple[float | None, int]:
    bare = BarePhysics.of(env)
    if bare is None:
        return None, 0
    bare.gather(env, int(np.clip(seconds / 2 / step, LEAST, 2000)))
    return bare.seconds(seconds / 2), bare.skip


def _render(
    make: Callable[[str | None], gymnasium.Env], env: gymnasium.Env, seconds: float, seed: int
) -> tuple[Times | None, list[str]]:
    if "rgb_array" not in (env.metadata.get("render_modes") or ()):
        return None, []
    try:
        return _pictures(make("rgb_array"), seconds, seed), []
    except Exception as error:  # graphics fail in many ways, and are no part of a training
        return None, [f"pictures could not be measured: {' '.join(str(error).split())}"]


def _pictures(env: gymnasium.Env, seconds: float, seed: int) -> Times:
    walk, spent = Walk(env, seed), []
    end = time.perf_counter() + seconds
    while not spent or (len(spent) < PICTURES and time.perf_counter() < end):
        walk.go(0, 1)
        begin = time.perf_counter()
        env.render()
        spent.append(time.perf_counter() - begin)
    env.close()
    return Times.of(np.array(spent[1:] or spent))


def _notes(
    steps: np.ndarray, ages: np.ndarray, resident: list[tuple[int, float]], working: float
) -> list[str]:
    notes = []
    if working < ALONE:
        notes.append(
            f"this process worked in {working:.0%} of the time: the machine is busy with others, "
            "or a step waits for something"
        )
    run, within = growth(steps), growth_within(steps, ages)
    if run:
        notes.append(
            f"steps become slower: at the end of {len(steps):,} they took {run:.1f} times as long "
            "as at the start (environment.slows-down); look for lists that grow"
        )
    elif within:
        notes.append(
            f"steps late in an episode take {within:.1f} times as long as early ones; look for "
            "what grows with an episode"
        )
    rare = spikes(steps)
    if rare and working >= ALONE:
        notes.append(f"{rare[0]:.1%} of the steps take {rare[1]:.0%} of the time; see p99")
    leak = _leak(resident)
    if leak:
        notes.append(f"memory grows by {leak:.0f} MB per 1,000 steps")
    return notes


def _leak(resident: list[tuple[int, float]]) -> float | None:
    """Return the growth of memory over the second half of the steps, MB per 1,000 steps."""
    half = resident[len(resident) // 2 :]
    if len(half) < 4:
        return None
    grown, steps = half[-1][1] - half[0][1], half[-1][0] - half[0][0]
    rate = 1000 * grown / steps
    return rate if rate >= LEAK and grown >= LEAKED else None
