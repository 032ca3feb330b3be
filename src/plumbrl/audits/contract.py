"""Does the environment return what Gymnasium says it does, at each of a thousand steps?"""

import math
import warnings
from contextlib import closing
from typing import Any

import gymnasium
import numpy as np

from plumbrl.audits.sample import columns, flatten, random_policy
from plumbrl.audits.subject import Subject
from plumbrl.audits.traces import parts
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found

FORM, SPACE = "reset and step return what Gymnasium says", "observations are in their space"
FINITE = "rewards and observations are finite"
STEPS, FEWEST = 1000, 100
"""Calls; fewer where a tenth of the budget is spent before."""


def check_contract(subject: Subject) -> list[Outcome]:
    """Check form, space and finiteness with random actions.

    Nothing else can be asked of an environment whose form is wrong.
    """
    with closing(subject.make_env()) as env:
        seen = _Seen(env)
        problem = seen.act(subject)
    if problem:
        where = Evidence("first call that is wrong", seen.calls, "none", "call")
        return [found(FORM, "environment.form", problem, where)]
    form = Check(FORM, "passed", f"{seen.calls} calls"), None
    if seen.misshapen:  # nothing can be made of such observations, so this comes first
        return [seen.in_space(), form]
    return [form, seen.in_space(), *seen.finite()]


class _Seen:
    """Steps through an environment and notes what is wrong with what it returns."""

    def __init__(self, env: gymnasium.Env) -> None:
        self._env = env
        self._size = len(columns(env.observation_space)[0])
        self.calls = self._outside = 0
        self.misshapen = False
        self._rewards: list[int] = []
        self._observations: list[int] = []

    def act(self, subject: Subject) -> str:
        """Return what is wrong with the form at the first call at which it is wrong."""
        budget, policy = subject.budget.part(0.1), random_policy(self._env, subject.seed)
        for episode in range(STEPS):
            returned = self._env.reset(seed=subject.seed + episode)
            self.calls += 1
            if problem := reset_problem(returned):
                return problem
            self._look(returned[0])
            ended = False
            while not ended:
                if self.calls >= STEPS or (budget.over and self.calls > FEWEST):
                    return ""
                returned = self._env.step(policy(None))
                self.calls += 1
                if problem := step_problem(returned):
                    return problem
                self._look(returned[0])
                if not math.isfinite(returned[1]):
                    self._rewards.append(self.calls)
                ended = bool(returned[2] or returned[3])
        return ""

    def _look(self, observation: Any) -> None:
        self.misshapen |= flatten(observation).size != self._size
        self._outside += not self._contains(observation)
        numbers = [np.asarray(leaf) for leaf in parts(observation).values()]
        if any(n.dtype.kind == "f" and not np.isfinite(n).all() for n in numbers):
            self._observations.append(self.calls)

    def _contains(self, observation: Any) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the cast that the comparison makes
                return self._env.observation_space.contains(observation)
        except Exception:  # a space may fail at what it has never seen
            return False

    def in_space(self) -> Outcome:
        """Say how many observations are outside of their space."""
        share = self._outside / self.calls
        reason = f"{self._outside} of {self.calls} are outside, in value, shape or dtype"
        if not self._outside:
            return Check(SPACE, "passed", reason), None
        evidence = Evidence("share of observations outside", share, "0")
        return found(SPACE, "environment.observation-outside-space", reason, evidence)

    def finite(self) -> list[Outcome]:
        """Say where a reward or an observation was no finite number first."""
        wrong = {
            "reward.not-finite": self._rewards,
            "environment.observation-not-finite": self._observations,
        }
        outcomes = [
            found(
                FINITE, cause, f"{len(calls)} of {self.calls}, first at call {calls[0]}",
                Evidence("calls with a number that is none", len(calls), "0"),
            )
            for cause, calls in wrong.items() if calls
        ]  # fmt: skip
        return outcomes or [(Check(FINITE, "passed", f"{self.calls} calls"), None)]


def reset_problem(returned: Any) -> str:
    """Return what is wrong with the form of what reset returned; empty if nothing."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        return f"reset returns {_what(returned)}, not (observation, info)"
    if not isinstance(returned[1], dict):
        return f"the info of reset is {_what(returned[1])}, not a dictionary"
    return ""


def step_problem(returned: Any) -> str:
    """Return what is wrong with the form of what step returned; empty if nothing."""
    if not isinstance(returned, tuple) or len(returned) != 5:
        form = "(observation, reward, terminated, truncated, info)"
        return f"step returns {_what(returned)}, not {form}"
    _, reward, terminated, truncated, info = returned
    if not _is_number(reward):
        return f"the reward is {_what(reward)}, not a number"
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, bool | np.bool_):
            return f"{name} is {_what(flag)}, not True or False"
    if not isinstance(info, dict):
        return f"the info of step is {_what(info)}, not a dictionary"
    return ""


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.shape == () and value.dtype.kind in "fiu"
    return isinstance(value, int | float | np.number) and not isinstance(value, complex)


def _what(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = repr(value)
    return f"{text if len(text) < 40 else text[:37] + '...'} ({type(value).__name__})"
