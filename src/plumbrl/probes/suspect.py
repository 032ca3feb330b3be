"""A mistake that a trainer could make, and its marks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from plumbrl.probes.measure import fits, right_answers, scattered
from plumbrl.probes.problem import Array, Problem
from plumbrl.probes.solve import Rule
from plumbrl.probes.trial import Trial

ON, OFF = ("value",), ("q", "soft_q")
Pattern = Callable[[Problem, Trial], bool]
"""Whether the answers to a failed probe look as a mistake would make them."""
Account = Literal["in numbers", "loosely", "somehow", "otherwise", "leaves right"]
"""How well a mistake accounts for what became of a probe: the answers are those it leads to, they
look like that, it does not say which it leads to, it leads to others, or to the right ones."""


@dataclass(frozen=True)
class Suspect:
    """A mistake and its marks.

    Attributes:
        cause: Id in the catalogue.
        rules: Any of them explains; a probe that they leave right is expected to pass.
        pattern: Explains the answers of a failed probe, where there is no rule.
        loose: The same, but one that much else fits too.
        on: Probes it shows in; all if empty.
        families: Of trainers that can have it.
        prior: How much it counts before any probe, against 1.
        luck: Whether a trainer with it may pass a probe that it shows in, depending on the seed.
    """

    cause: str
    rules: tuple[Rule, ...] = ()
    pattern: Pattern | None = None
    loose: Pattern | None = None
    on: tuple[str, ...] = ()
    families: tuple[str, ...] = (*ON, *OFF)
    prior: float = 1.0
    luck: bool = False

    def accounts(self, problem: Problem, trial: Trial) -> Account:
        """Return how well it accounts for what became of a probe."""
        if self.on and problem.name not in self.on:
            return "leaves right"
        answers = [under(problem, trial, rule) for rule in self.rules]
        if answers and all(_all_right(problem, trial, expected) for expected in answers):
            return "leaves right"
        if trial.verdict == "passed":
            return "loosely" if self.luck else "otherwise"
        if self.pattern and self.pattern(problem, trial):
            return "in numbers"
        if self.loose and self.loose(problem, trial):
            return "loosely"
        if self.pattern or self.loose:
            return "otherwise"
        pairs = zip(self.rules, answers, strict=True)
        found = {_account(problem, trial, rule, said) for rule, said in pairs} or {"somehow"}
        return next(a for a in ("in numbers", "somehow", "otherwise") if a in found)


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


def _account(problem: Problem, trial: Trial, rule: Rule, answers: list[Array]) -> Account:
    """Return whether all that a rule says was found, if it says anything that is not right."""
    asked = list(trial.asked)
    said = [i for i, answer in enumerate(answers) if not np.isnan(answer).all()]
    loose = scattered(problem, asked, trial.gae_lambda, rule)
    if not all(fits(problem, loose[i], trial.given[i], answers[i]) for i in said):
        return "otherwise"
    if not all(fits(problem, asked[i], trial.right[i], answers[i]) for i in said):
        return "in numbers"
    return "somehow" if len(said) < len(asked) else "otherwise"
