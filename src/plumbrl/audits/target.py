"""What an audit may be given: an id, a function, an environment, or a vector of them."""

import importlib
import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv

from plumbrl.audits.one import OneOfMany
from plumbrl.audits.restore import MakeEnv
from plumbrl.audits.vector import MakeVector
from plumbrl.errors import UserError, nearest


@dataclass(frozen=True)
class Target:
    """Where new environments come from.

    Attributes:
        make_env: Returns a new environment.
        make_vector: Returns a new vector of environments; None if none was given.
    """

    make_env: MakeEnv
    make_vector: MakeVector | None = None


def name_of(env: Any) -> str:
    """Return what to call an environment in a report."""
    if isinstance(env, str):
        return env
    if isinstance(env, gymnasium.Env):
        return env.spec.id if env.spec else type(env.unwrapped).__name__
    return getattr(env, "__name__", type(env).__name__)


def target(env: Any) -> Target:
    """Return where new environments come from.

    Raises:
        UserError: It is none of the forms that `audit` takes.
    """
    if isinstance(env, str):
        return _named(env)
    if isinstance(env, gymnasium.Env):
        return _copied(env)
    if isinstance(env, VectorEnv):
        raise UserError("A vector of environments is asked as a function that returns a new one.")
    if callable(env):
        return _made(env)
    raise UserError(
        "An audit takes an id, a function that returns a new environment, or an environment; "
        f"got {type(env).__name__}."
    )


def _named(name: str) -> Target:
    """An id that Gymnasium knows, or module:function."""
    module, _, rest = name.partition(":")
    if rest:
        try:
            loaded = importlib.import_module(module)
        except (ImportError, TypeError) as error:
            raise UserError(f"{name}: {error}.") from None
        made = getattr(loaded, rest, None)
        if callable(made):
            return _made(made)
    if not is_registered(name):
        raise UserError(f"Unknown environment {name!r}; {_hint(module, rest)}")
    return Target(lambda: gymnasium.make(name, disable_env_checker=True))


def _hint(module: str, rest: str) -> str:
    """Return the nearest name: in the module, if one was given, else among the ids."""
    if not rest:
        near = get_close_matches(module, gymnasium.registry, n=1, cutoff=0.5)
        form = "give an id, module:Env-v0 or module:function."
        return f"did you mean {near[0]!r}?" if near else form
    found = vars(importlib.import_module(module)).items()
    own = [key for key, value in found if callable(value) and not key.startswith("_")]
    ids = [key for key in gymnasium.registry if key.rpartition("-v")[0]]
    near = get_close_matches(rest, [*own, *ids], n=1, cutoff=0.5)
    return f"did you mean {module + ':' + near[0]!r}?" if near else nearest(rest, own or ids)


def is_registered(name: str) -> bool:
    """Return whether Gymnasium makes an environment from an id, with or without its module."""
    module, _, rest = name.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        gymnasium.spec(rest)
    except (gymnasium.error.Error, ImportError, TypeError):  # TypeError: a name such as .a:B-v0
        return False
    return True


def _copied(env: gymnasium.Env) -> Target:
    try:
        deepcopy(env).close()
    except Exception as error:
        raise UserError(
            f"{name_of(env)} cannot be copied ({type(error).__name__}: {error}); give a function "
            "that returns a new one."
        ) from None
    return Target(lambda: deepcopy(env))


def _made(make: Callable[[], Any]) -> Target:
    """A function: what it returns first says what it makes; what it raises is for the audit."""
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise UserError(f"{name_of(make)} is called without arguments: {error}.") from None
    except ValueError:  # some functions written in C do not say what they take
        pass
    try:
        env = make()
    except Exception:
        return Target(make)
    if not isinstance(env, gymnasium.Env | VectorEnv):
        raise UserError(
            f"{name_of(make)} returns {type(env).__name__}, not a Gymnasium environment."
        )
    env.close()
    return (
        Target(make) if isinstance(env, gymnasium.Env) else Target(lambda: OneOfMany(make()), make)
    )
