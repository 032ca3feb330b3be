"""A saved model that no run folder explains: what algorithm it is and how its network is built.

Everything is read from the plain settings, from the text SB3 leaves beside its pickles, from
spaces read inertly, and from the shapes of the weights.
"""

import base64
import re
from itertools import count
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor, NatureCNN
from stable_baselines3.common.vec_env import VecEnv

from plumbrl.errors import UserError
from plumbrl.training.algorithms import ALGORITHMS, algorithm_class, algorithm_name
from plumbrl.training.loading import SavedModel
from plumbrl.training.outline import outline, said
from plumbrl.training.pickles import read_inert

MARKS = {
    "TQC": "top_quantiles_to_drop_per_net",
    "TRPO": "cg_max_steps",
    "PPO": "clip_range",
    "TD3": "target_policy_noise",
    "DQN": "exploration_fraction",
    "SAC": "target_entropy",
    "A2C": "gae_lambda",
}
"""A setting that each algorithm has and those below it in the list lack."""
LIBRARIES = ("stable_baselines3.", "sb3_contrib.")
EXTRACTORS = {cls.__name__: cls for cls in (FlattenExtractor, CombinedExtractor, NatureCNN)}
IGNORED = ("optimizer_class", "optimizer_kwargs", "lr_schedule")
"""Arguments of a policy that do not change how it acts."""


def algorithm_of(saved: SavedModel, asked: str | None) -> str:
    """Return the algorithm's name.

    Args:
        saved: The model.
        asked: What the user says it is, in any case.

    Raises:
        UserError: There is no such algorithm, or the file does not tell which it is.
    """
    if asked is not None:
        return algorithm_name(asked)
    entries = {**saved.facts, **saved.texts}
    module = str(saved.texts.get("policy_class", {}).get("__module__", ""))
    for name in ALGORITHMS:
        if f".{name.lower()}." in module:
            return name
    for name, mark in MARKS.items():
        if mark in entries:
            return name
    raise UserError(f"{saved.path} does not say which algorithm it is; name it with --algo.")


def rebuild(saved: SavedModel, algo: str, venv: VecEnv) -> BaseAlgorithm:
    """Return a model that acts as the saved one.

    Args:
        saved: The model.
        algo: Name of the algorithm.
        venv: Gives the spaces.

    Raises:
        UserError: The spaces do not fit, or the network cannot be inferred; the message names the
            entry that would have to be trusted.
    """
    make = algorithm_class(algo)
    module = str(saved.texts.get("policy_class", {}).get("__module__", LIBRARIES[0]))
    if not module.startswith(LIBRARIES):
        raise _refused(saved, "policy_class", f"a class of {module}")
    kwargs: dict[str, Any] = {"policy_kwargs": _policy_arguments(saved), "device": "cpu"}
    small = {"buffer_size": 1, "n_steps": 128, "batch_size": 128}  # it will only act
    small |= {"use_sde": bool(saved.facts.get("use_sde"))}
    kwargs |= {name: value for name, value in small.items() if name in _parameters(make)}
    try:
        model = make(_policy_name(saved, venv), venv, **kwargs)
    except (ValueError, TypeError, AssertionError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{saved.path} cannot be rebuilt as {algo}: {said}") from None
    _check_spaces(saved, model)
    return model


def _parameters(make: Any) -> set[str]:
    import inspect

    return set(inspect.signature(make).parameters)


def _refused(saved: SavedModel, entry: str, why: str) -> UserError:
    return UserError(
        f"{saved.path} cannot be rebuilt: its entry {entry!r} is {why}, in a pickle that was not "
        "loaded; --trust loads it and runs whatever it holds."
    )


def _policy_name(saved: SavedModel, venv: VecEnv) -> str:
    if isinstance(venv.observation_space, spaces.Dict):
        return "MultiInputPolicy"
    weights = saved.parameters["policy"]
    return "CnnPolicy" if any(".cnn." in name for name in weights) else "MlpPolicy"


def _policy_arguments(saved: SavedModel) -> dict[str, Any]:
    """Return the arguments of the policy: as the file says, hidden layers from the weights."""
    plain = saved.facts.get("policy_kwargs")
    said = plain if isinstance(plain, dict) else saved.texts.get("policy_kwargs", {})
    arguments: dict[str, Any] = {}
    for name, value in said.items():
        if name in IGNORED or name.startswith(":"):
            continue
        arguments[name] = _class_named(saved, name, value) if name.endswith(_CLASSES) else value
        if name == "features_extractor_kwargs" and not isinstance(value, dict):
            raise _refused(saved, "policy_kwargs", f"not plain in {name!r}")
    if "net_arch" not in arguments:
        layers = hidden_layers(saved.parameters["policy"])
        return arguments | ({} if layers is None else {"net_arch": layers})
    old = arguments["net_arch"]
    if isinstance(old, list) and old and isinstance(old[0], dict):  # as before SB3 1.8
        arguments["net_arch"] = old[0]
    return arguments


_CLASSES = ("_fn", "_class")


def _class_named(saved: SavedModel, name: str, text: Any) -> Any:
    """Turn the text ``<class 'a.b.C'>`` into one of the classes we know."""
    found = re.fullmatch(r"<class '(.+)'>", str(text))
    path = found.group(1) if found else str(text)
    last = path.rpartition(".")[2]
    if name == "activation_fn" and path.startswith("torch.nn.") and hasattr(torch.nn, last):
        return getattr(torch.nn, last)
    if path.startswith(LIBRARIES) and last in EXTRACTORS:
        return EXTRACTORS[last]
    raise _refused(saved, "policy_kwargs", f"{path} as {name}")


def hidden_layers(weights: dict[str, Any]) -> dict[str, list[int]] | list[int] | None:
    """Return SB3's ``net_arch`` from the shapes of a policy's weights; None where it has no name.

    Args:
        weights: The policy's state dictionary.
    """
    pi, vf = (_widths(weights, f"mlp_extractor.{net}_net.") for net in ("policy", "value"))
    if "value_net.weight" in weights:
        return {"pi": pi, "vf": vf}
    if "q_net.q_net.0.weight" in weights:
        return _widths(weights, "q_net.q_net.")[:-1]
    critic = _widths(weights, "critic.qf0.") or _widths(weights, "critic.qf_0.")
    if "actor.latent_pi.0.weight" in weights:
        return {"pi": _widths(weights, "actor.latent_pi."), "qf": critic[:-1]}
    if "actor.mu.0.weight" in weights:
        return {"pi": _widths(weights, "actor.mu.")[:-1], "qf": critic[:-1]}
    return None


def _widths(weights: dict[str, Any], prefix: str) -> list[int]:
    """Return the widths of the linear layers of a sequence in which every second is linear."""
    widths = []
    for i in count(0, 2):
        weight = weights.get(f"{prefix}{i}.weight")
        if weight is None:
            return widths
        widths.append(int(weight.shape[0]))
    return widths


def _check_spaces(saved: SavedModel, model: BaseAlgorithm) -> None:
    for entry, ours in (
        ("observation_space", model.observation_space),
        ("action_space", model.action_space),
    ):
        theirs = _space(saved, entry)
        if theirs is not None and theirs != outline(ours, bounds=entry == "action_space"):
            raise UserError(
                f"{saved.path} does not fit the environment: its {entry} is {said(theirs)}, "
                f"the environment's is {said(outline(ours, bounds=entry == 'action_space'))}."
            )


def _space(saved: SavedModel, entry: str) -> Any:
    """Return the outline of a saved space, read without running its pickle."""
    if entry not in saved.pickles:
        return None
    what = f"{saved.path}: entry {entry!r}"
    try:
        space = read_inert(base64.b64decode(saved.pickles[entry]), what)
        return outline(space, bounds=entry == "action_space")
    except UserError:
        raise
    except Exception:  # a foreign file can hold anything
        raise UserError(f"{what} holds no space.") from None
