"""Policies that are known to do a task: the environment's own baselines, or a named function."""

import importlib
import inspect
from typing import Any, cast

import gymnasium

from plumbrl.audits.sample import Policy
from plumbrl.audits.subject import MakePolicy
from plumbrl.errors import UserError, nearest


def own_baseline(env: gymnasium.Env) -> Policy | None:
    """Return the first of the environment's `baselines()`, None if it has none.

    They are a dictionary of functions without arguments that look at the true state and return an
    action; they may remember something, and are made anew for every episode.
    """
    if not callable(getattr(env.unwrapped, "baselines", None)):
        return None
    return _Baseline(env)


class _Baseline:
    def __init__(self, env: gymnasium.Env) -> None:
        self._env: Any = env.unwrapped
        self.reset()

    def reset(self) -> None:
        """Make it anew."""
        self._act = next(iter(self._env.baselines().values()))

    def __call__(self, _: Any) -> Any:
        """Act on the true state."""
        return self._act()


def named_oracle(name: str) -> MakePolicy:
    """Return what ``module:function`` names.

    A function with a parameter ``env`` is called with the environment and returns the policy; any
    other is the policy itself, from an observation to an action.

    Raises:
        UserError: There is no such function.
    """
    module, _, rest = name.partition(":")
    if not rest:
        raise UserError(f"--oracle takes module:function; got {name!r}.")
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"--oracle {name}: {error}.") from None
    function = getattr(loaded, rest, None)
    if not callable(function):
        known = [n for n, value in vars(loaded).items() if callable(value)]
        raise UserError(f"--oracle: {module} has no function {rest!r}; {nearest(rest, known)}")
    if _takes_env(function):
        return cast(MakePolicy, function)
    return lambda _: cast(Policy, function)


def _takes_env(function: Any) -> bool:
    try:
        return "env" in inspect.signature(function).parameters
    except ValueError:  # some functions written in C do not say
        return False
