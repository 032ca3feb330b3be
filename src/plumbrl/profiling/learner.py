"""A Stable-Baselines3 model at work: where the time of its timesteps goes."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import gymnasium

from plumbrl.profiling.clock import Clock, OutOfTimeError
from plumbrl.profiling.layers import watch_env, watch_parts

ENVIRONMENT, POLICY, LEARNER, BUFFER, OVERHEAD = (
    "environment", "policy", "learner", "buffer", "overhead",
)  # fmt: skip
GROUPS = (ENVIRONMENT, POLICY, LEARNER, BUFFER, OVERHEAD)
OPTIMISERS = ("policy", "actor", "critic")
ROUND = 64
"""Steps of every environment in a round of an algorithm that collects step by step."""


@dataclass(frozen=True)
class TrainingProfile:
    """Where the time of a training goes. The watch and the evaluations are not in it."""

    parts: dict[str, float]
    """Seconds per 1,000 timesteps by part; the group comes before the slash."""
    calls: dict[str, float]
    """Calls per 1,000 timesteps by part."""
    timesteps: int
    """Measured."""
    cores: float
    """Cores that this process kept busy on average."""
    notes: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Per 1,000 timesteps."""
        return sum(self.parts.values())

    @property
    def per_second(self) -> float:
        """Timesteps per second."""
        return 1000 / self.seconds

    @property
    def groups(self) -> dict[str, float]:
        """Share by group."""
        shares: dict[str, float] = {name: 0.0 for name in GROUPS}
        for name, seconds in self.parts.items():
            shares[name.partition("/")[0]] += seconds / self.seconds
        return shares

    @property
    def shares(self) -> dict[str, float]:
        """Share by part, the largest first."""
        order = sorted(self.parts.items(), key=lambda item: -item[1])
        return {name: seconds / self.seconds for name, seconds in order}


def load() -> None:
    """Load what torch loads with the first optimiser, which can take seconds."""
    import torch

    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])


def profile_training(model: Any, seconds: float) -> TrainingProfile:
    """Let a model learn for a while.

    The first round, from collecting to the end of the update, only warms up, if there is time for
    more than one. What is unfinished at the end is not counted, unless there is nothing else.

    Args:
        model: An SB3 model with its environments.
        seconds: Time for all of it; it ends with the call that runs then.
    """
    rounds: list[dict[str, float]] = []
    calls: list[dict[str, int]] = []
    steps: list[int] = []
    with Clock(time.perf_counter() + seconds) as clock:
        watch_model(clock, model)
        worked, began = time.process_time(), time.perf_counter()
        finished = True
        while finished:
            before = model.num_timesteps
            finished = _learn(model)
            if finished or not rounds:
                rounds.append(dict(clock.seconds))
                calls.append(dict(clock.calls))
                steps.append(model.num_timesteps - before)
            clock.clear()
        cores = (time.process_time() - worked) / (time.perf_counter() - began)
    first = 1 if len(rounds) > 1 else 0
    timesteps = max(1, sum(steps[first:]))
    parts, count = _per_thousand(rounds[first:], timesteps), _per_thousand(calls[first:], timesteps)
    notes = [] if len(rounds) > 1 else _scaled(model, parts, count)
    return TrainingProfile(parts, count, timesteps, cores, notes)


def watch_model(clock: Clock, model: Any) -> None:
    """Watch what a model consists of: environments, policy, learner, buffers."""
    import torch

    watch_venv(clock, model.env)
    for method in ("forward", "predict", "predict_values"):
        clock.watch(model.policy, method, f"{POLICY}/inference")
    clock.watch(model, "train", f"{LEARNER}/loss and rest")
    clock.watch(model.policy, "evaluate_actions", f"{LEARNER}/forward")
    clock.watch(torch.Tensor, "backward", f"{LEARNER}/backward")
    for owner in [model, *(getattr(model, name, None) for name in OPTIMISERS)]:
        for name in ("optimizer", "ent_coef_optimizer"):
            clock.watch(getattr(owner, name, None), "step", f"{LEARNER}/optimiser")
    for buffer in (getattr(model, name, None) for name in ("rollout_buffer", "replay_buffer")):
        clock.watch(buffer, "add", f"{BUFFER}/adding")
        clock.watch(buffer, "sample", f"{BUFFER}/sampling")
        clock.watch(buffer, "_get_samples", f"{BUFFER}/sampling")
        clock.watch(buffer, "compute_returns_and_advantage", f"{BUFFER}/advantages")
    clock.watch(model, "collect_rollouts", f"{OVERHEAD}/collecting")
    clock.watch(model, "learn", f"{OVERHEAD}/rest")


def watch_venv(clock: Clock, venv: Any) -> None:
    """Watch every layer of an SB3 `VecEnv`, and what is inside where it runs in this process."""
    group, layer, inner = f"{ENVIRONMENT}/", venv, venv
    while layer is not None:
        name = type(layer).__name__
        for method in ("step_async", "step_wait"):
            clock.watch(layer, method, group + name)
        clock.watch(layer, "reset", f"{group}reset")
        inner, layer = layer, vars(layer).get("venv")
    for env in vars(inner).get("envs", ()):
        watch_env(clock, env, group)
    single = vars(inner).get("env")
    if single is not None and not isinstance(single, gymnasium.Wrapper):
        watch_parts(clock, single, group)


def _learn(model: Any) -> bool:
    """Do one round; return whether it was finished."""
    round_ = getattr(model, "n_steps", None) or ROUND
    try:
        model.learn(round_ * model.n_envs, reset_num_timesteps=False)
    except OutOfTimeError:
        return False
    return True


def _per_thousand(rounds: Any, timesteps: int) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in rounds:
        for name, value in one.items():
            total[name] = total.get(name, 0.0) + 1000 * value / timesteps
    return total


def _scaled(model: Any, parts: dict[str, float], calls: dict[str, float]) -> list[str]:
    """Scale the learner up if its first update was cut off, and say what could not be measured."""
    planned = gradient_steps(model)
    done = calls.get(f"{LEARNER}/optimiser", 0.0)
    if planned is None or done >= planned:
        return ["only one round of training fitted into the time: warming up is in it"]
    if not done:
        return ["no update fitted into the time: the learner is missing; use a longer --budget"]
    for name in parts:
        if name.startswith(LEARNER) or name == f"{BUFFER}/sampling":
            parts[name] *= planned / done
            calls[name] *= planned / done
    return [f"the learner is estimated from {done / planned:.0%} of an update; see --budget"]


def gradient_steps(model: Any) -> float | None:
    """Return the gradient steps per 1,000 timesteps of an algorithm like PPO; None for others."""
    epochs, batch = getattr(model, "n_epochs", None), getattr(model, "batch_size", None)
    if not epochs or not batch or not hasattr(model, "rollout_buffer"):
        return None
    rollout = model.n_steps * model.n_envs
    return 1000 * epochs * math.ceil(rollout / batch) / rollout
