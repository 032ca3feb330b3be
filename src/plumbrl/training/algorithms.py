"""Build any algorithm of Stable-Baselines3 or sb3-contrib from its configuration."""

import inspect
import os
import warnings
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from gymnasium import spaces

from plumbrl.errors import UserError, nearest, unknown
from plumbrl.training.config import OFF_POLICY, AlgoSection, TrainConfig
from plumbrl.training.schedules import SCHEDULABLE, Schedule, read_schedule

HOMES = {
    "stable_baselines3": ("A2C", "DDPG", "DQN", "PPO", "SAC", "TD3"),
    "sb3_contrib": ("ARS", "CrossQ", "MaskablePPO", "QRDQN", "RecurrentPPO", "TQC", "TRPO"),
}
ALGORITHMS = {name: home for home, names in HOMES.items() for name in names}
OURS = {"self", "policy", "env", "seed", "policy_kwargs", "tensorboard_log", "_init_setup_model"}
"""Arguments that are not set in `algo.kwargs`."""
KNOWN = (spaces.Box, spaces.Dict, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)
"""Observations that SB3 knows."""
PPOS = ("PPO", "MaskablePPO", "RecurrentPPO")
MASKABLE = "MaskablePPO"
DETERMINISTIC = ("TD3", "DDPG")
EXPLORATION_NOISE = 0.1
"""Standard deviation of TD3's and DDPG's action noise, of half the range (Fujimoto 2018)."""


def algorithm_name(name: str) -> str:
    """Return an algorithm's name as its library spells it.

    Raises:
        UserError: There is none of that name.
    """
    spelled = {known.upper(): known for known in ALGORITHMS}
    if str(name).upper() not in spelled:
        raise unknown("algorithm", str(name), ALGORITHMS)
    return spelled[str(name).upper()]


@cache
def algorithm_class(name: str) -> Any:
    """Return the class of an algorithm."""
    return getattr(import_module(ALGORITHMS[name]), name)


def check_algorithm(algo: AlgoSection) -> None:
    """Refuse arguments that the algorithm does not have, and schedules it cannot follow.

    Raises:
        UserError: With the nearest argument that it has.
    """
    name = algorithm_name(algo.name)
    arguments = inspect.signature(algorithm_class(name)).parameters
    valid = set(arguments) - OURS
    for key, value in algo.kwargs.items():
        if key not in valid:
            raise UserError(f"algo.kwargs: {name} has no {key!r}; {nearest(key, valid)}")
        _check_kind(key, value, arguments[key].default)
    for key in SCHEDULABLE:
        if isinstance(algo.kwargs.get(key), dict):
            kind = read_schedule(key, algo.kwargs[key]).type
            if kind == "adaptive" and name not in PPOS:
                raise UserError(f"learning_rate: {name} reports no approx_kl to adapt to.")
            if key == "ent_coef" and name not in (*PPOS, "A2C"):
                raise UserError(f"ent_coef: {name} takes a number or 'auto', no schedule.")


def _check_kind(key: str, value: Any, default: Any) -> None:
    """Refuse what is not of the kind of the library's own default, which may be no value at all."""
    schedule = key in SCHEDULABLE and isinstance(value, dict)
    if isinstance(default, bool):
        fits, kind = isinstance(value, bool), "true or false"
    elif isinstance(default, int | float) or callable(default):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits, kind = number or schedule, "a number"
    else:
        return
    if not fits:
        raise UserError(f"algo.kwargs.{key} must be {kind}, not {value!r}.")


def build_model(config: TrainConfig, venv: Any) -> Any:
    """Return the SB3 model of a training.

    Raises:
        UserError: The algorithm refuses its arguments or the environment's spaces.
    """
    algo = config.algo
    name = algorithm_name(algo.name)
    make = algorithm_class(name)
    policy = policy_of(algo, venv.observation_space)
    _check_environment(config, venv, policy, make.policy_aliases)
    arguments = {"device": "cpu", "seed": config.seed, "verbose": 0} | _arguments(algo)
    arguments |= _noise(name, arguments, venv.action_space)
    arguments["policy_kwargs"] = _policy_arguments(config, make.policy_aliases[policy])
    arguments["policy_kwargs"] |= _extractor(config, venv.observation_space)
    valid = inspect.signature(make).parameters
    check_memory(config, venv, make)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You have specified a mini-batch size")  # said by us
            return make(policy, venv, **{k: v for k, v in arguments.items() if k in valid})
    except (ValueError, TypeError, AssertionError, ZeroDivisionError, RuntimeError) as error:
        raise UserError(f"algo: {name} says: {_one_line(error)}") from error


def _check_environment(config: TrainConfig, venv: Any, policy: str, policies: Any) -> None:
    name, env = config.algo.name, config.env.id
    if not isinstance(venv.observation_space, KNOWN):
        kind = type(venv.observation_space).__name__
        raise UserError(f"algo: {name} cannot learn from observations that are a {kind}: {env}.")
    if policy not in policies and config.algo.policy == "auto":
        raise UserError(f"algo: {name} has no {policy}, which the observations of {env} need.")
    if policy not in policies:
        raise unknown("policy", policy, policies)
    if name == MASKABLE and not venv.has_attr("action_masks"):
        raise UserError(f"algo: {name} needs an environment with action_masks; {env} has none.")
    whole_number = isinstance(venv.observation_space, spaces.Discrete)
    if config.normalize_reward and whole_number and name in OFF_POLICY:  # SB3 fails at an end
        raise UserError(
            f"normalize_reward: {name} cannot where observations are one whole number, as those "
            f"of {env}; set it to false."
        )


def check_memory(config: TrainConfig, venv: Any, make: Any) -> None:
    """Refuse a rollout or replay buffer that does not fit into the machine's memory.

    Raises:
        UserError: With both sizes.
    """
    arguments = inspect.signature(make).parameters
    key = "buffer_size" if "buffer_size" in arguments else "n_steps"
    if key not in arguments:
        return
    rows = config.algo.kwargs.get(key, arguments[key].default)
    rows, copies = (rows * config.num_envs, 1) if key == "n_steps" else (rows, 2)
    bytes_each = copies * _size(venv.observation_space) + _size(venv.action_space) + 24
    memory = _memory()
    if memory and rows * bytes_each > memory:
        raise UserError(
            f"algo.kwargs.{key} {rows:,}: the buffer would need {rows * bytes_each / 1e9:,.0f} GB "
            f"of memory; this machine has {memory / 1e9:,.0f} GB."
        )


def _memory() -> int | None:
    """Return the machine's memory in bytes; None where the system does not say (Windows)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _size(space: spaces.Space) -> int:
    """Return the bytes of one sample as the buffers keep it."""
    if isinstance(space, spaces.Dict):
        return sum(map(_size, space.spaces.values()))
    itemsize = space.dtype.itemsize if isinstance(space, spaces.Box) and space.dtype else 8
    return int(np.prod(space.shape or (1,))) * itemsize


def policy_of(algo: AlgoSection, space: spaces.Space) -> str:
    """Return the name of the policy: as configured, or the one that fits the observations."""
    if algo.policy != "auto":
        return algo.policy
    if isinstance(space, spaces.Dict):
        kind = "MultiInput"
    else:
        kind = "Cnn" if len(space.shape or ()) == 3 else "Mlp"
    return f"{kind}{'Lstm' if algo.name.upper() == 'RECURRENTPPO' else ''}Policy"


def _arguments(algo: AlgoSection) -> dict[str, Any]:
    """Turn schedules into what SB3 takes; the entropy coefficient is moved by a callback."""
    arguments = dict(algo.kwargs)
    for key in SCHEDULABLE:
        if isinstance(arguments.get(key), dict):
            schedule = Schedule(read_schedule(key, arguments[key]))
            arguments[key] = schedule(1.0) if key == "ent_coef" else schedule
    return arguments


def _policy_arguments(config: TrainConfig, policy: Any) -> dict[str, Any]:
    """Return those arguments that this policy has."""
    import torch

    algo = config.algo
    activations = torch.nn.modules.activation.__all__
    if algo.activation not in activations:
        raise unknown("activation", algo.activation, activations)
    wanted: dict[str, Any] = {
        "net_arch": list(algo.net_arch),
        "activation_fn": getattr(torch.nn, algo.activation),
        "log_std_init": algo.log_std_init,
    }
    if algo.weight_decay:
        wanted["optimizer_class"] = torch.optim.AdamW
        wanted["optimizer_kwargs"] = {"weight_decay": algo.weight_decay}
    valid = inspect.signature(policy).parameters
    return {k: v for k, v in wanted.items() if k in valid and v is not None}


def _extractor(config: TrainConfig, space: spaces.Space) -> dict[str, Any]:
    """Return what joins images and the rest, where the configuration asks for more than SB3 has."""
    encoder = config.encoder
    learnt = isinstance(space, spaces.Dict) and (encoder.path is not None or not encoder.frozen)
    if not (encoder.fusion or (learnt and _has_images(space))):
        return {}
    from plumbrl.encoders import EncoderExtractor, FusionExtractor

    extractor = FusionExtractor if encoder.fusion else EncoderExtractor
    path = None if encoder.frozen else encoder.path
    return {
        "features_extractor_class": extractor,
        "features_extractor_kwargs": {"encoder_path": path},
    }


def _has_images(space: Any) -> bool:
    return any(part.dtype == np.uint8 and len(part.shape) == 3 for part in space.spaces.values())


def _noise(name: str, arguments: dict[str, Any], space: spaces.Space) -> dict[str, Any]:
    """Deterministic policies explore by noise on their actions, in units of half the range."""
    if name not in DETERMINISTIC or "action_noise" in arguments:
        return {}
    from stable_baselines3.common.noise import NormalActionNoise

    size = int(np.prod(space.shape or (1,)))
    return {"action_noise": NormalActionNoise(np.zeros(size), np.full(size, EXPLORATION_NOISE))}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
