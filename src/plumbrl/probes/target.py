"""What to probe, by name: `sb3:PPO`, or `module:attribute`."""

import inspect
import os
import sys
from importlib import import_module
from typing import Any

from plumbrl.errors import UserError, nearest
from plumbrl.probes.blame import said
from plumbrl.probes.trial import MakeTrainer


def split(spec: str) -> tuple[str, str]:
    """Return the module (or ``sb3``) and the name in it.

    Raises:
        UserError: There is no colon between two names.
    """
    module_name, _, name = spec.partition(":")
    if not module_name or not name:
        raise UserError(f"cannot read {spec!r}; write sb3:PPO, or my_module:make_trainer.")
    return module_name, name


def load(spec: str) -> MakeTrainer:
    """Return make_trainer by name.

    Args:
        spec: ``sb3:PPO`` (a ready one), ``my_module:make_trainer``, or ``my_module:MyPPO`` (a
            class derived from an SB3 algorithm). Modules are found from the working directory too.

    Raises:
        UserError: There is no such thing, in one sentence.
    """
    module_name, name = split(spec)
    if module_name == "sb3":
        return _sb3().ready(name)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise UserError(
                f"there is no module {module_name!r} here; a file my_loop.py is the module my_loop."
            ) from error
        raise UserError(f"module {module_name!r} needs {error.name!r}, not installed.") from error
    except Exception as error:
        raise UserError(f"module {module_name!r} failed on import: {said(error)}") from error
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise UserError(f"module {module_name!r} has no {name!r}; {nearest(name, public)}")
    return as_factory(getattr(module, name), name)


def as_factory(target: Any, name: str = "make_trainer") -> MakeTrainer:
    """Return what can be called with an environment and a seed.

    Raises:
        UserError: It cannot.
    """
    if inspect.isclass(target) and "stable_baselines3" in sys.modules:
        from stable_baselines3.common.base_class import BaseAlgorithm

        if issubclass(target, BaseAlgorithm):
            return _sb3().of_class(target)
    if not callable(target):
        raise UserError(f"{name!r} is a {type(target).__name__}, not a function or a class.")
    parameters = inspect.signature(target).parameters
    if "seed" not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise UserError(
            f"{name} must take an environment and a seed: def {name}(env, seed), and gamma if it"
            f" can (it takes: {', '.join(parameters) or 'nothing'})."
        )
    return target


def _sb3() -> Any:
    try:
        return import_module("plumbrl.adapters.sb3.factories")
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; pip install 'plumbrl[sb3]'.") from error
