"""A mistake that a trainer could make, and its marks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from plumbrl.probes.measure import fits, right_answers
from plumbrl.probes.problem import Array, Problem
from plumbrl.probes.solve import Rule
from plumbrl.probes.trial import Trial

ON, OFF = ("value",), ("q", "soft_q")
Pattern = Callable[[Problem, Trial], bool]
"""Whether the answers to a failed probe look as a mistake would make them."""


@dataclass(frozen=True)
class Suspect:
    """A mistake and its marks.

    Attributes:
        cause: Id in the catalogue.
        rules: Any of them explains; a probe that they leave right is expected to pass.
        pattern: Explains the answers of a failed probe, where there is no rule.
        on: Probes it shows in; all if empty.
        families: Of trainers that can have it.
        prior: How much it counts before any probe, against 1.
        sharp: Whether an explanation is a strong one; a pattern that much fits is not.
    """

    cause: str
    rules: tuple[Rule, ...] = ()
    pattern: Pattern | None = None
    on: tuple[str, ...] = ()
    families: tuple[str, ...] = (*ON, *OFF)
    prior: float = 1.0
    sharp: bool = True

    def expects_failure(self, problem: Problem, trial: Trial) -> bool:
        """Return whether it makes a trainer fail a probe."""
        if self.on and problem.name not in self.on:
            return False
        if not self.rules:
            return True
        return any(not _all_right(problem, trial, under(problem, trial, r)) for r in self.rules)

    def explains(self, problem: Problem, trial: Trial) -> bool:
        """Return whether the answers to a failed probe are those it leads to."""
        if self.on and problem.name not in self.on:
            return False
        if self.pattern:
            return self.pattern(problem, trial)
        return any(_matches(problem, trial, under(problem, trial, rule)) for rule in self.rules)


def under(problem: Problem, trial: Trial, rule: Rule) -> list[Array]:
    """Return the answers that a rule leads to."""
    return right_answers(
        problem, list(trial.asked), trial.gae_lambda, rule=rule, bonus=trial.bonus,
        initial=_initial(problem, trial),
    )  # fmt: skip


def _initial(problem: Problem, trial: Trial) -> Array:
    """Return the values of states before training, as far as they were asked for."""
    values = np.zeros(problem.n_states)
    for question, before in zip(trial.asked, trial.before, strict=True):
        if question.quantity in ("value", "q"):
            for state in question.states:
                rows = [i for i, s in enumerate(question.states) if s == state]
                values[problem.seen_as == problem.seen_as[state]] = before[rows].max()
    return values


def _all_right(problem: Problem, trial: Trial, expected: list[Array]) -> bool:
    pairs = zip(trial.asked, trial.right, expected, strict=True)
    return all(fits(problem, question, right, answer) for question, right, answer in pairs)


def _matches(problem: Problem, trial: Trial, expected: list[Array]) -> bool:
    """Whether all that a rule says is what was found, and it says something that is not right."""
    says = False
    for question, given, right, answer in zip(
        trial.asked, trial.given, trial.right, expected, strict=True
    ):
        if np.isnan(answer).all():
            continue
        if not fits(problem, question, given, answer):
            return False
        says |= not fits(problem, question, right, answer)
    return says
