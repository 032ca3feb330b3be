"""The whole state of a training as plain data: saved at the start of a rollout, put back exactly.

A rollout's start is the one moment at which nothing is half done: the last update is over and its
buffer used up. What is saved there, and only that, decides how the training goes on: weights and
optimisers, counters, replay buffer, normaliser, environments, and every random stream.
"""

import random
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from plumbrl.curriculum import Curriculum
from plumbrl.errors import UserError
from plumbrl.runs.files import whole
from plumbrl.training.plain import from_plain, to_plain
from plumbrl.training.schedules import Schedule

SCHEMA = 1
COUNTERS = ("num_timesteps", "_episode_num", "_n_updates", "_n_calls", "exploration_rate",
            "_current_progress_remaining")  # fmt: skip
LAST = ("_last_obs", "_last_original_obs", "_last_episode_starts", "_last_lstm_states")
WINDOWS = ("ep_info_buffer", "ep_success_buffer")
BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def save_state(path: Path, model: Any, extra: dict[str, Any]) -> None:
    """Write the state of a training, atomically.

    Args:
        path: The file.
        model: At the start of a rollout.
        extra: Plain data of the caller, given back by `read_state`.
    """
    state = {"schema": SCHEMA, "extra": extra} | model_state(model)
    with whole(path) as temporary:
        torch.save(to_plain(state), temporary)


def read_state(path: Path) -> dict[str, Any]:
    """Return what `save_state` wrote; nothing in the file is ever run.

    Raises:
        UserError: The file cannot be read or is no state.
    """
    try:
        state = from_plain(torch.load(path, weights_only=True, map_location="cpu"))
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except Exception:  # torch raises many kinds for a file that is not its own
        raise UserError(f"{path} holds no state of a training.") from None
    if not isinstance(state, dict) or state.get("schema") != SCHEMA:
        raise UserError(f"{path} holds no state that this version can read.")
    return state


def model_state(model: Any) -> dict[str, Any]:
    """Return everything that decides how `model` goes on, but for random streams of its layers."""
    modules, variables = _parameters(model)
    return {
        "modules": modules,
        "variables": variables,
        "counters": {name: getattr(model, name) for name in COUNTERS if hasattr(model, name)},
        "last": {name: getattr(model, name, None) for name in LAST},
        "windows": {name: list(getattr(model, name) or []) for name in WINDOWS},
        "schedules": {name: schedule.value for name, schedule in schedules_of(model).items()},
        "pending": _pending(model.logger),
        "replay": _replay(model),
        "exploration": _exploration(model),
        "layers": [_layer_state(layer) for layer in layers_of(model.get_env())],
        "random": _random(model),
    }


def restore_model(model: Any, state: dict[str, Any]) -> bool:
    """Put a state into a model built from the same configuration.

    Returns:
        Whether the environment goes on too; if not, it starts new episodes.

    Raises:
        UserError: The state does not fit the model.
    """
    try:
        model.set_parameters(state["modules"], exact_match=True, device="cpu")
    except (ValueError, RuntimeError, KeyError):
        raise UserError("The saved state does not fit: the configuration was changed.") from None
    for name, value in state["variables"].items():
        _attribute(model, name).data[...] = value
    for name, value in state["counters"].items():
        setattr(model, name, value)
    for name, values in state["windows"].items():
        setattr(model, name, deque(values, maxlen=model._stats_window_size))
    for name, schedule in schedules_of(model).items():
        schedule.value = state["schedules"][name]
    _restore_replay(model, state["replay"])
    if hasattr(model, "weights"):  # of ARS, which keeps its own copy of them
        model.weights = torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach()
    return _restore_environment(model, state)


def restore_streams(model: Any, state: dict[str, Any]) -> None:
    """Put back every random stream; the last thing before the rollout goes on."""
    streams = state["random"]
    random.setstate((streams["python"][0], tuple(streams["python"][1]), streams["python"][2]))
    kind, keys, position, has_gauss, gauss = streams["numpy"]
    np.random.set_state((kind, keys, position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(streams["torch"])
    model.action_space.np_random.bit_generator.state = streams["actions"]
    for name, value in state["exploration"].items():
        setattr(_distribution(model), name, value)


def restorable(venv: VecEnv) -> bool:
    """Whether the environments can be saved and restored in the middle of an episode."""
    return hasattr(layers_of(venv)[-1], "save_state")


def layers_of(venv: VecEnv) -> list[Any]:
    """Return the wrappers of a vector environment from the outside in, and itself at the end."""
    layers = [venv]
    while isinstance(layers[-1], VecEnvWrapper):
        layers.append(layers[-1].venv)
    return layers


def schedules_of(model: Any) -> dict[str, Schedule]:
    """Return the schedules a model was built with."""
    found = {name: getattr(model, name, None) for name in ("learning_rate", "clip_range")}
    inner = {n: getattr(s, "value_schedule", s) for n, s in found.items()}
    return {name: s for name, s in inner.items() if isinstance(s, Schedule)}


def _pending(logger: Any) -> dict[str, Any]:
    """Return what was recorded since the last dump, with the formats it is kept out of."""
    return {k: (v, logger.name_to_excluded.get(k)) for k, v in logger.name_to_value.items()}


def _parameters(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    names = model._get_torch_save_params()[1]
    return model.get_parameters(), {name: _attribute(model, name).detach() for name in names}


def _attribute(model: Any, name: str) -> Any:
    for part in name.split("."):
        model = getattr(model, part)
    return model


def _last(name: str, value: Any) -> Any:
    """RecurrentPPO keeps its states in a named tuple of tuples."""
    if name != "_last_lstm_states":
        return value
    from sb3_contrib.common.recurrent.type_aliases import RNNStates

    return RNNStates(*(tuple(part) for part in value))


def _replay(model: Any) -> dict[str, Any]:
    """Return the used part of the replay buffer."""
    if not isinstance(model, OffPolicyAlgorithm) or model.replay_buffer is None:
        return {}
    buffer: Any = model.replay_buffer
    used = buffer.buffer_size if buffer.full else buffer.pos
    arrays = {name: getattr(buffer, name, None) for name in BUFFER}
    cut = lambda a: {k: v[:used] for k, v in a.items()} if isinstance(a, dict) else a[:used]  # noqa: E731
    kept = {name: cut(array) for name, array in arrays.items() if array is not None}
    return {"pos": buffer.pos, "full": buffer.full, "arrays": kept}


def _restore_replay(model: Any, saved: dict[str, Any]) -> None:
    if not saved:
        return
    buffer = model.replay_buffer
    buffer.pos, buffer.full = saved["pos"], saved["full"]
    for name, array in saved["arrays"].items():
        into = getattr(buffer, name)
        for key, values in array.items() if isinstance(array, dict) else [(None, array)]:
            (into if key is None else into[key])[: len(values)] = values


def _restore_environment(model: Any, state: dict[str, Any]) -> bool:
    """Put back what wrappers have learnt, and episodes if the environment can go on with them."""
    venv = model.get_env()
    for layer, saved in zip(layers_of(venv), state["layers"], strict=True):
        _restore_layer(layer, saved)
    if not restorable(venv):
        return False
    for name, value in state["last"].items():
        if value is not None:
            setattr(model, name, _last(name, value))
    return True


def _layer_state(layer: Any) -> dict[str, Any]:
    if isinstance(layer, VecNormalize):
        return {
            "observation": _statistics(_obs_rms(layer)),
            "returns": _statistics(layer.ret_rms),
            "running": layer.returns,
            "old_obs": getattr(layer, "old_obs", None),
            "old_reward": getattr(layer, "old_reward", None),
        }
    if hasattr(type(layer), "save_state"):
        return {"state": layer.save_state()}
    return {"curricula": layer.env_method("get_state")} if _has_curricula(layer) else {}


def _has_curricula(layer: Any) -> bool:
    """Whether a vector's environments are `plumbrl.Curriculum`s, maybe within other wrappers."""
    return not isinstance(layer, VecEnvWrapper) and all(layer.env_is_wrapped(Curriculum))


def _restore_layer(layer: Any, saved: dict[str, Any]) -> None:
    if isinstance(layer, VecNormalize):
        _put(_obs_rms(layer), saved["observation"])
        _put(layer.ret_rms, saved["returns"])
        layer.returns = saved["running"]
        layer.old_obs, layer.old_reward = saved["old_obs"], saved["old_reward"]
    elif "curricula" in saved:
        for i, state in enumerate(saved["curricula"]):
            layer.env_method("set_state", state, indices=i)
    elif saved:
        layer.restore_state(saved["state"])


def _obs_rms(layer: VecNormalize) -> Any:
    """It has none where only rewards are normalised, and would ask the environment for one."""
    return vars(layer).get("obs_rms")


def _statistics(rms: Any) -> Any:
    if isinstance(rms, dict):
        return {key: _statistics(value) for key, value in rms.items()}
    return None if rms is None else {"mean": rms.mean, "var": rms.var, "count": rms.count}


def _put(rms: Any, saved: Any) -> None:
    if isinstance(rms, dict):
        for key, value in rms.items():
            _put(value, saved[key])
    elif rms is not None and saved is not None:
        rms.mean, rms.var, rms.count = saved["mean"], saved["var"], saved["count"]


def _random(model: Any) -> dict[str, Any]:
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002  # the stream that SB3 draws from
        "torch": torch.get_rng_state(),
        "actions": model.action_space.np_random.bit_generator.state,
    }


def _distribution(model: Any) -> Any:
    holder = getattr(model, "actor", None) or model.policy
    return getattr(holder, "action_dist", None)


def _exploration(model: Any) -> dict[str, Any]:
    """Return the noise matrices of state-dependent exploration, drawn just before."""
    if not getattr(model, "use_sde", False):
        return {}
    names = ("exploration_mat", "exploration_matrices")
    return {name: getattr(_distribution(model), name).detach() for name in names}
