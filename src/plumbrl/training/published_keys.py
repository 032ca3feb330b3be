"""Understand the keys of the published ballbot training, so that its configurations train here.

A configuration with any of these keys is about the published robot, its 500 Hz control, its cameras
and its networks; everything is written over into our own keys.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plumbrl.errors import UserError
from plumbrl.training.config import AlgoSection, number

ALGO_OWN = set(AlgoSection.model_fields)
RENAMED = {"batch_sz": "batch_size"}
TOP = {"problem", "frozen_cnn", "hidden_sz", "env_config", "evaluation", "visualization",
       "use_subproc_vec_env", "resume"}  # fmt: skip
"""Of these `visualization`, which opens windows, is left out: nothing here needs it."""
PUBLISHED_ENV = {
    "id": "ballbot:Ballbot-v0",
    "kwargs": {"robot": "paper", "control_hz": 500, "cameras": {"enabled": True}},
}
PUBLISHED_LAYERS = 4


def translate(data: Mapping[str, Any], folder: Path, *, complete: bool = True) -> dict[str, Any]:
    """Return a configuration in our keys; one that is in our keys already comes back unchanged.

    Args:
        data: As read from a file; not changed.
        folder: Of the file, which paths are relative to.
        complete: Whether it is a whole file, in which what is not said is as published; else it
            only changes another.

    Raises:
        UserError: A published key holds something it cannot.
    """
    algo = data.get("algo")
    published = algo.keys() - ALGO_OWN if isinstance(algo, Mapping) else set()
    if not (published or TOP & data.keys()):
        return dict(data)
    if data.get("resume"):
        raise UserError(
            f"resume: {data['resume']} cannot be gone on with from a configuration; a run of this "
            f"program goes on with plumbrl train --resume RUN."
        )
    ours = {key: value for key, value in data.items() if key not in TOP | {"algo", "policy"}}
    if isinstance(algo, Mapping):
        ours["algo"] = _algo(algo)
    elif algo is not None:
        ours["algo"] = algo
    as_published = complete and bool({"problem", "frozen_cnn", "env_config"} & data.keys())
    _network(data, ours, as_published)
    _environment(data, ours, as_published)
    _encoder(data, ours, as_published, folder)
    if isinstance(data.get("evaluation"), Mapping):
        ours["eval"] = _evaluation(data["evaluation"], data)
    if ours.get("seed") == -1:
        ours["seed"] = random.SystemRandom().randrange(2**31)
    return ours


def _algo(algo: Mapping[str, Any]) -> dict[str, Any]:
    ours: dict[str, Any] = {key: algo[key] for key in algo if key in ALGO_OWN}
    kwargs = ours.get("kwargs") or {}
    if not isinstance(kwargs, Mapping):
        raise UserError(f"algo.kwargs must hold arguments of the algorithm; got {kwargs!r}.")
    kwargs = dict(kwargs)
    for key in algo.keys() - ALGO_OWN:
        kwargs[RENAMED.get(key, key)] = algo[key]
    if number(kwargs.get("learning_rate")) == -1:
        kwargs["learning_rate"] = {"type": "three_stage"}
    return ours | {"kwargs": kwargs}


def _network(data: Mapping[str, Any], ours: dict[str, Any], as_published: bool) -> None:
    """`hidden_sz`, or the later form `policy: {type: mlp, config: {hidden_sizes, activation}}`."""
    changes: dict[str, Any] = {}
    if "hidden_sz" in data:
        size = number(data["hidden_sz"])
        if not isinstance(size, int | float) or not float(size).is_integer() or size < 1:
            raise UserError(f"hidden_sz must be a whole number above 0; got {data['hidden_sz']!r}.")
        changes["net_arch"] = [int(size)] * PUBLISHED_LAYERS
    policy = data.get("policy")
    if isinstance(policy, Mapping) and isinstance(policy.get("config"), Mapping):
        if "hidden_sizes" in policy["config"]:
            changes["net_arch"] = policy["config"]["hidden_sizes"]
        if "activation" in policy["config"]:
            changes["activation"] = policy["config"]["activation"]
    if as_published:
        changes = {"activation": "LeakyReLU"} | changes
        ours.setdefault("normalize_observation", False)
        ours.setdefault("normalize_reward", False)
        ours.setdefault("num_envs", 10)
    if changes:
        algo = ours.setdefault("algo", {})
        if isinstance(algo, dict):
            ours["algo"] = changes | algo


def _environment(data: Mapping[str, Any], ours: dict[str, Any], as_published: bool) -> None:
    problem = data.get("problem")
    if problem is not None and not isinstance(problem, Mapping):
        raise UserError(f"problem must hold settings such as terrain_type; got {problem!r}.")
    env = ours.get("env") or (PUBLISHED_ENV if as_published else {})
    if not isinstance(env, Mapping):
        return
    if "env_config" in data:
        env = {"id": PUBLISHED_ENV["id"], "config": str(data["env_config"])}
    if problem:
        env = dict(env) | {"kwargs": dict(env.get("kwargs") or {}) | _problem(problem)}
    if data.get("use_subproc_vec_env"):
        env = dict(env) | {"processes": True}
    if env:
        ours["env"] = dict(env)


def _problem(problem: Mapping[str, Any]) -> dict[str, Any]:
    """`terrain_type`, or the later form with `terrain` and `reward` of their own."""
    kwargs: dict[str, Any] = {}
    for key, value in problem.items():
        if key == "terrain_type":
            kwargs["terrain"] = {"type": value}
        elif key in ("terrain", "reward") and isinstance(value, Mapping):
            kwargs[key] = {"type": value.get("type")} | dict(value.get("config") or {})
        else:
            raise UserError(f"problem has no {key!r}; it holds terrain_type, terrain and reward.")
    return kwargs


def _encoder(
    data: Mapping[str, Any], ours: dict[str, Any], as_published: bool, folder: Path
) -> None:
    """An encoder file that is not there: as in the published code, one is trained on the way."""
    name = data.get("frozen_cnn")
    if name:
        path = folder / str(name)
        there = path.is_file() or (path / "encoder.pt").is_file()
        ours["encoder"] = {"path": str(name)} if there else {"frozen": False}
    elif as_published:
        ours.setdefault("encoder", {"frozen": False})


def _evaluation(evaluation: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """`freq` counts steps of the vector environment, `every` timesteps."""
    ours: dict[str, Any] = {}
    if "n_episodes" in evaluation:
        ours["episodes"] = evaluation["n_episodes"]
    if "freq" in evaluation:
        freq, envs = number(evaluation["freq"]), number(data.get("num_envs", 10))
        if not isinstance(freq, int | float) or not isinstance(envs, int | float):
            raise UserError(f"evaluation.freq must be a number; got {evaluation['freq']!r}.")
        ours["every"] = freq * envs
    return ours
