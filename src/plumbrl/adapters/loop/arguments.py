"""What a hand-written loop hands over, looked at before anything is done with it."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, cast

from plumbrl.adapters.loop.arrays import array
from plumbrl.errors import UserError, unknown

Method = TypeVar("Method", bound=Callable[..., Any])


def spoken(method: Method) -> Method:
    """Say in one sentence which argument of a method is missing, unknown, or without its name."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except TypeError:
            complaint = _misused(method, args, kwargs)
            if complaint is None:
                raise
        raise complaint

    return cast(Method, call)


def number(name: str, value: Any) -> float:
    """Return a single finite number; a tensor or array may hold it.

    Raises:
        UserError: It is none.
    """
    found = array(name, value)
    if found.size != 1:
        raise UserError(f"{name} has shape {found.shape}, not a single number.")
    if not isfinite(found.item()):
        raise UserError(f"{name} is {found.item()}, not a finite number.")
    return found.item()


def path_of(folder: Any) -> Path:
    """Return a folder as a path.

    Raises:
        UserError: It is none.
    """
    if not isinstance(folder, str | os.PathLike):
        raise UserError(f"folder is of type {type(folder).__name__}, not a path or None.")
    return Path(folder)


def settings_of(given: Any) -> Mapping[str, Any]:
    """Return settings by name; none for None.

    Raises:
        UserError: They have no names.
    """
    if given is None or isinstance(given, Mapping):
        return given or {}
    raise UserError(f"settings is of type {type(given).__name__}, not a mapping like vars(args).")


def every_of(given: Any) -> int | None:
    """Return timesteps between rows; None to choose them.

    Raises:
        UserError: They are no number, or below 1.
    """
    if given is None:
        return None
    every = number("every", given)
    if every < 1:
        raise UserError(f"every must be above 0; got {every:g}.")
    return int(every)


def sinks_of(given: Any) -> list[Callable[..., Any]]:
    """Return what is called with findings.

    Raises:
        UserError: It is not several, or one of them cannot be called.
    """
    if not isinstance(given, Iterable):
        raise UserError(f"sinks is of type {type(given).__name__}, not a list of functions.")
    sinks = list(given)
    for sink in sinks:
        if not callable(sink):
            raise UserError(f"sinks holds a {type(sink).__name__}, which cannot be called.")
    return sinks


def _misused(method: Callable[..., Any], args: Any, kwargs: Any) -> UserError | None:
    """Return what is wrong with a call; None if its arguments fit."""
    signature = inspect.signature(method)
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        known = [p for p in list(signature.parameters.values())[1:] if p.kind != p.VAR_KEYWORD]
        return _complaint(_name(method), known, len(args) - 1, kwargs)
    return None


def _complaint(
    name: str, known: list[inspect.Parameter], unnamed: int, kwargs: Mapping[str, Any]
) -> UserError:
    names = [p.name for p in known]
    for key in kwargs:
        if key not in names:
            return unknown(f"argument of {name}()", key, names)
    places = [p.name for p in known if p.kind == p.POSITIONAL_OR_KEYWORD]
    if unnamed > len(places):
        such = next((f", such as {p.name}=" for p in known if p.name not in places), "")
        return UserError(f"{name}() wants its arguments by name{such}.")
    given = {*places[:unnamed], *kwargs}
    missing = [p.name for p in known if p.default is p.empty and p.name not in given]
    if missing:
        return UserError(f"{name}() needs {', '.join(f'{each}=' for each in missing)}.")
    return UserError(f"{name}() was given an argument twice.")


def _name(method: Callable[..., Any]) -> str:
    parts = method.__qualname__.split(".")
    return parts[-2] if parts[-1] == "__init__" else parts[-1]
