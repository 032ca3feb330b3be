"""Read a training configuration: a file, a preset, changes by dotted name."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from plumbrl.errors import UserError, first_problem, unknown
from plumbrl.training.algorithms import check_algorithm
from plumbrl.training.config import TrainConfig
from plumbrl.training.config import merged as combine
from plumbrl.training.published_keys import translate

PRESETS = ("aggressive", "conservative", "balanced")


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a training configuration.

    A `preset` in the file gives way to the file's own settings; a `preset` among the overrides
    replaces them. Keys of the published configuration are understood, see `published_keys`.

    Args:
        path: YAML file, or the name of a preset.
        overrides: Values by dotted key, e.g. ``{"algo.kwargs.n_steps": 64}``.

    Raises:
        UserError: The file cannot be read or something in it is wrong.
    """
    if str(path) in PRESETS and not path.exists():
        return config_of({"preset": str(path)}, Path(), overrides, str(path))
    return config_of(_read(path), path.parent, overrides, str(path))


def config_of(
    data: Mapping[str, Any], folder: Path, overrides: Mapping[str, Any] | None, named: str
) -> TrainConfig:
    """Return the configuration in `data`; paths in it are relative to `folder`.

    Raises:
        UserError: Something in it is wrong; the message begins with `named`.
    """
    overrides = dict(overrides or {})
    layers = [dict(data)]
    if "preset" in layers[0]:
        layers.insert(0, read_preset(layers[0].pop("preset")))
    if "preset" in overrides:
        layers.append(read_preset(overrides.pop("preset")))
    changes: dict[str, Any] = {}
    for key, value in overrides.items():
        _set(changes, key.split("."), value)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = combine(merged, translate(layer, folder))
    merged = combine(merged, translate(changes, folder, complete=False))
    try:
        config = TrainConfig.model_validate(merged)
    except ValidationError as error:
        raise UserError(f"{named}: {first_problem(error)}") from None
    check_algorithm(config.algo)
    return _with_absolute_paths(config, folder)


def read_preset(name: Any) -> dict[str, Any]:
    """Return the settings of a preset.

    Raises:
        UserError: There is none of that name.
    """
    if name not in PRESETS:
        raise unknown("preset", str(name), PRESETS)
    return yaml.safe_load(
        (resources.files("plumbrl.training") / f"presets/{name}.yaml").read_text()
    )


def _with_absolute_paths(config: TrainConfig, folder: Path) -> TrainConfig:
    env, encoder = config.env, config.encoder
    if env.config is not None:
        env = env.model_copy(update={"config": _found("env.config", env.config, folder)})
    if encoder.path is not None:
        encoder = encoder.model_copy(update={"path": _found("encoder.path", encoder.path, folder)})
    start = config.start_from
    if start is not None and not Path(start).is_absolute():
        start = str((folder / start).resolve())  # whether it is there matters only when it is read
    return config.model_copy(update={"env": env, "encoder": encoder, "start_from": start})


def _found(key: str, name: str, folder: Path) -> str:
    path = Path(name) if Path(name).is_absolute() else folder / name
    if not path.exists():
        raise UserError(f"{key}: there is no file {path}.")
    return str(path.resolve())


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} must hold a mapping of settings.")
    return data


def _set(data: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a nested value; what stands in the way and is no mapping is an error."""
    for depth, part in enumerate(path[:-1]):
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise UserError(f"{'.'.join(path)}: {'.'.join(path[: depth + 1])} holds no settings.")
    data[path[-1]] = value
