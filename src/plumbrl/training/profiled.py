"""Measure where the time of a training goes, without doing it."""

import inspect
import math
import os
import time
from collections.abc import Callable
from typing import Any

from plumbrl.errors import UserError
from plumbrl.profiling import memory
from plumbrl.profiling.advice import advise
from plumbrl.profiling.environment import EnvironmentProfile, profile_environment
from plumbrl.profiling.experiments import Experiment, try_settings
from plumbrl.profiling.learner import TrainingProfile, load, profile_training
from plumbrl.profiling.result import Profile
from plumbrl.training.algorithms import algorithm_class, build_model
from plumbrl.training.config import OFF_POLICY, TrainConfig
from plumbrl.training.envs import make_single, make_training_env

ENVIRONMENT_SHARE, TRAINING_SHARE = 0.4, 0.75
"""Of the time for everything, and of what is left of it; trying settings takes the rest."""
ASKING = 5e-4
"""About what it takes (s) to ask a small policy for actions, once for all environments."""
COLLECTING = 0.15
"""Share of the time for the training that a first rollout may take."""
ROLLOUTS = 256, 2048
"""Timesteps, least and most, to which rollouts are shortened: the cost of each stays the same."""

Say = Callable[[str], Any]


def profile(config: TrainConfig, seconds: float, say: Say = lambda _: None) -> Profile:
    """Measure one environment with random actions, then the learning algorithm at work in it.

    Args:
        config: The training. Nothing is written, and neither watch nor evaluations take part.
        seconds: Time for everything but loading, compiling and starting processes.
        say: Told what is measured now.

    Raises:
        UserError: The environment does not exist or refuses its arguments.
    """
    algorithm_class(config.algo.name)  # libraries load for longer than many a budget
    load()
    began, used = time.perf_counter(), {"before": memory.resident()}
    say("the environment")
    environment = profile_environment(
        lambda mode: make_single(config.env, mode), ENVIRONMENT_SHARE * seconds, config.seed
    )
    used["environment"] = memory.resident()
    left = seconds - (time.perf_counter() - began) + environment.first
    training, tried, batched, notes = _training(config, environment, left, say)
    used |= {"training": memory.resident(), "peak": max(memory.peak(), memory.resident())}
    return Profile(
        subject=config.env.id,
        setting=f"{config.algo.name}, {config.num_envs} environments, "
        f"torch threads {config.torch_threads}, {os.cpu_count()} cores",
        environment=environment,
        training=training,
        memory=used,
        advice=advise(environment, training, tried, num_envs=config.num_envs, batched=batched),
        seconds=time.perf_counter() - began,
        notes=[*environment.notes, *notes],
    )


def _training(
    config: TrainConfig, environment: EnvironmentProfile, seconds: float, say: Say
) -> tuple[TrainingProfile | None, list[Experiment], bool, list[str]]:
    """Measure the training; what cannot be trained in is said in a note."""
    import torch

    config, notes = _shortened(config, COLLECTING * seconds / _timestep(config, environment))
    threads = torch.get_num_threads()
    torch.set_num_threads(config.torch_threads)
    venv = None
    say("the training")
    try:
        venv = make_training_env(config, config.seed)[0]
        model = build_model(config, venv)
        begin = time.perf_counter()  # starting processes loads libraries
        batched = type(venv.unwrapped).__name__ != "DummyVecEnv"
        training = profile_training(model, TRAINING_SHARE * max(0.0, seconds))
        say("other settings")
        left = max(0.0, seconds - (time.perf_counter() - begin))
        tried = try_settings(model, left)
    except UserError as error:
        return None, [], True, [f"no training was measured: {error}"]
    finally:
        torch.set_num_threads(threads)
        if venv is not None:
            venv.close()
    if not training.parts:
        return None, [], batched, ["no time was left for the training; use a longer --budget"]
    return training, tried, batched, [*notes, *training.notes]


def _timestep(config: TrainConfig, environment: EnvironmentProfile) -> float:
    """Return about how long (s) collecting a timestep takes."""
    return environment.step.mean + ASKING / config.num_envs


def _shortened(config: TrainConfig, affordable: float) -> tuple[TrainConfig, list[str]]:
    """Shorten what comes before the first update, to so many timesteps if that is little."""
    kwargs = dict(config.algo.kwargs)
    if config.algo.name in OFF_POLICY:
        kwargs["learning_starts"] = 0
        return _with(config, kwargs), []
    rollout = kwargs.get("n_steps", _default_steps(config)) * config.num_envs
    shorter = max(min(max(affordable, ROLLOUTS[0]), ROLLOUTS[1]), kwargs.get("batch_size", 64))
    if rollout <= shorter:
        return config, []
    kwargs["n_steps"] = max(2, math.ceil(shorter / config.num_envs))
    steps = kwargs["n_steps"] * config.num_envs
    note = (
        f"rollouts were shortened from {rollout:,} to {steps:,} timesteps to measure more of them"
    )
    return _with(config, kwargs), [note]


def _default_steps(config: TrainConfig) -> int:
    steps = inspect.signature(algorithm_class(config.algo.name)).parameters.get("n_steps")
    return steps.default if steps else 0


def _with(config: TrainConfig, kwargs: dict[str, Any]) -> TrainConfig:
    return config.model_copy(update={"algo": config.algo.model_copy(update={"kwargs": kwargs})})
