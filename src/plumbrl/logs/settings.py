"""What other files beside a log say about a run, and what of it are facts."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import yaml

from plumbrl.history import Facts
from plumbrl.logs.names import table

FILES = ("config.yaml", "manifest.json", "config.yml", "args.yml")
"""Of our run folders, and of rl-zoo3."""
OTHER_THINGS = ("eval", "encoder", "seeds", "packages")
"""Parts of a configuration that speak of something else than the training."""


class _Loader(yaml.SafeLoader):
    """Reads rl-zoo3's files too, which spell out Python's ordered dictionaries."""


def _ordered(loader: yaml.SafeLoader, node: yaml.Node) -> dict[Any, Any]:
    """Return the dictionary that `OrderedDict([[key, value], ...])` would be."""
    if not isinstance(node, yaml.SequenceNode):
        return {}
    arguments = loader.construct_sequence(node, deep=True)
    return dict(arguments[0]) if arguments else {}


ORDERED = "tag:yaml.org,2002:python/object/apply:collections.OrderedDict"
_Loader.add_constructor(ORDERED, _ordered)
_Loader.add_multi_constructor("", lambda *_: None)


def settings_beside(folder: Path) -> dict[str, Any]:
    """Return what the files of a run folder say of the run; unreadable ones say nothing."""
    found: dict[str, Any] = {}
    # rl-zoo3 puts them into a folder named after the environment.
    folders = [folder, *(path.parent for path in sorted(folder.glob("*/args.yml"))[:1])]
    for path in (folder / name for folder in folders for name in FILES):
        for key, value in _read(path).items():
            found.setdefault(key, value)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        plain = json.loads(text) if path.suffix == ".json" else yaml.load(text, _Loader)
    except (OSError, ValueError, TypeError, yaml.YAMLError, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def facts_of(settings: Mapping[str, Any]) -> Facts:
    """Return the facts in settings, whoever named them."""
    flat: dict[str, Any] = {}
    for key, value in _flat(settings):
        flat.setdefault(key, value)
    found: dict[str, Any] = {}
    for ours, names in table()["settings"].items():
        known = (_fact(flat[name], ours) for name in names if name in flat)
        found[ours] = next((value for value in known if value is not None), None)
    found["algo"] = found["algo"] or _algorithm(flat.get("exp_name"))
    if found["rollout"] is None and found["per_env"] and found["num_envs"]:
        found["rollout"] = found["per_env"] * found["num_envs"]
    return Facts.of(found)


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield settings by their dotted and by their last names, those further up first."""
    level = [("", settings)]
    for _ in range(8):
        deeper = []
        for path, part in level:
            for key, value in part.items():
                yield f"{path}{key}", value
                yield str(key), value
                if isinstance(value, Mapping) and key not in OTHER_THINGS:
                    deeper.append((f"{path}{key}.", value))
        level = deeper


@cache
def _kinds() -> dict[str, type]:
    kinds = {field.name: field.type for field in fields(Facts)}
    plain = {k: get_args(v)[0] if isinstance(v, UnionType) else v for k, v in kinds.items()}
    return {**plain, "per_env": int}  # type: ignore


def _fact(value: Any, ours: str) -> Any:
    """Return a setting in the type of its fact; None if it cannot be."""
    kind = _kinds()[ours]
    if kind is str:
        return _name(value) if isinstance(value, str) else None
    known = _number(value)
    if known is None or (kind is int and (known < 0 or known != int(known))):
        return None
    return kind(known)


def _name(value: str) -> str | None:
    if value in ("", "None"):
        return None
    return value.upper() if value.lower() in table()["algorithms"] else value


def _number(value: Any) -> float | None:
    """Return a number, or the one that a schedule starts with."""
    if isinstance(value, Mapping):
        values = value.get("values")
        value = value.get("start", values[0] if isinstance(values, list) and values else None)
    if isinstance(value, str):
        value = value.strip().removeprefix("lin_")
    if value is None or isinstance(value, bool):
        return None
    try:
        known = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return known if abs(known) < float("inf") else None


def _algorithm(experiment: Any) -> str | None:
    """Return the algorithm that CleanRL names an experiment after."""
    name = str(experiment or "").lower().split("_")[0]
    return name.upper() if name in table()["algorithms"] else None
