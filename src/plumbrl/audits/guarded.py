"""Policies that are given from outside: what is wrong with them is no fault of the environment."""

import traceback
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from plumbrl.audits.sample import Policy
from plumbrl.audits.subject import MakePolicy
from plumbrl.errors import UserError
from plumbrl.timeout import TimedOutError


def guarded(make: MakePolicy | None, who: str) -> MakePolicy | None:
    """Return the same policy, whose mistakes are said in a sentence.

    Args:
        make: Called with an environment; None where there is no policy.
        who: What to call it, such as ``oracle``.

    Raises:
        UserError: It is no function.
    """
    if make is None:
        return None
    if not callable(make):
        raise UserError(
            f"The {who} must be a function that is called with an environment and returns a "
            f"policy; got {type(make).__name__}."
        )

    def make_guarded(env: gymnasium.Env) -> Policy | None:
        try:
            policy = make(env)
        except (UserError, TimedOutError):
            raise
        except Exception as error:
            raise _said(who, error) from error
        return None if policy is None else _Guarded(policy, env, who)

    return make_guarded


class _Guarded:
    """Acts, and says whose fault it is if it cannot."""

    def __init__(self, policy: Policy, env: gymnasium.Env, who: str) -> None:
        self._policy, self._space, self._who = policy, env.action_space, who
        if hasattr(policy, "stochastic"):
            self.stochastic = policy.stochastic  # pyright: ignore[reportFunctionMemberAccess]

    def reset(self) -> None:
        """Forget: an episode begins."""
        getattr(self._policy, "reset", lambda: None)()

    def __call__(self, observation: Any) -> Any:
        """Return the action."""
        try:
            action = self._policy(observation)
        except (UserError, TimedOutError):
            raise
        except Exception as error:
            raise _said(self._who, error) from error
        if problem := misfit(action, self._space):
            raise UserError(f"The {self._who} returns {problem}.")
        return action


def misfit(action: Any, space: spaces.Space) -> str:
    """Return why an action cannot be one of a space; empty if it can, or if nothing is known."""
    if isinstance(space, spaces.Box) and np.shape(action) != space.shape:
        return f"actions of shape {np.shape(action)}; the environment takes {space.shape}"
    if isinstance(space, spaces.Discrete) and not space.contains(np.asarray(action)[()]):
        return f"the action {action!r}; the environment takes {space}"
    return ""


def _said(who: str, error: Exception) -> UserError:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return UserError(f"The {who} cannot act in this environment: {what} ({place}).")
