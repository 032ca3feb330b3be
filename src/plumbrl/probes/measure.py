"""What is asked of a trainer on a probe, and what the right answer is."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from plumbrl.adapters.subject import Subject
from plumbrl.errors import UserError
from plumbrl.probes.problem import GOES_ON, Array, Problem
from plumbrl.probes.solve import RIGHT, Answer, Rule, solve

MEASURES = {"ladder": 0.05, "alias": 0.04}
"""Tolerances of probes that measure a number (gamma, lambda)."""
LARGEST_TARGET = 20.0
"""Larger values take a network too long to reach for a probe."""
EXACT, NOISY, STOCHASTIC = 0.1, 0.3, 0.25
"""Tolerances: of values, of values of noisy rewards, of values of a policy that still explores;
relative where values exceed 1 (5 % where they exceed 2)."""
ACTION = 0.25
"""Tolerance of a continuous action, in halves of its range."""
Quantity = Literal["value", "q", "action", "return"]


@dataclass(frozen=True)
class Question:
    """One thing asked of a trainer.

    Attributes:
        quantity: What is asked for.
        states: In which states, n of them.
        branches: For Q: of which branch in each, (n,).
        tolerance: Largest difference from the right answer.
    """

    quantity: Quantity
    states: tuple[int, ...]
    branches: tuple[int, ...] = ()
    tolerance: float = EXACT

    def about(self, i: int) -> str:
        """Return how answer i is written: ``V(s0)``, ``Q(s0, a1)``, ``action(s0)``."""
        letter = {"value": "V", "q": "Q"}.get(self.quantity, self.quantity)
        branch = f", a{self.branches[i]}" if self.branches else ""
        return f"{letter}(s{self.states[i]}{branch})"


def questions(problem: Problem, subject: Subject) -> list[Question]:
    """Return what can be asked of a trainer on a problem."""
    if problem.hidden:
        return [Question("return", problem.starts[:1], tolerance=STOCHASTIC)]
    chooses = problem.n_branches > 1 or problem.best is not None
    states = _asked_states(problem)
    deciding = tuple(s for s in states if chooses and _decides(problem, s))
    asked = []
    if subject.action and deciding:
        asked.append(Question("action", deciding, tolerance=ACTION))
    if subject.value and problem.best is None and not (chooses and problem.kind == "continuous"):
        asked.append(Question("value", states, tolerance=_tolerance(problem, chooses)))
    if subject.q and problem.best is None and problem.name != "exploration":
        pairs = [(s, b) for s in states for b in range(problem.n_branches)]
        of_states, branches = zip(*pairs, strict=True)
        asked.append(Question("q", of_states, branches, _tolerance(problem, chooses)))
    return asked


def right_answers(
    problem: Problem,
    asked: list[Question],
    gae_lambda: float,
    *,
    rule: Rule = RIGHT,
    bonus: Array | None = None,
    initial: Array | None = None,
) -> list[Array]:
    """Return the answers to questions under a rule; NaN where the rule says nothing."""
    answer = solve(problem, gae_lambda=gae_lambda, rule=rule, bonus=bonus, initial=initial)
    return [_expected(problem, question, answer, rule) for question in asked]


def scattered(
    problem: Problem, asked: list[Question], gae_lambda: float, rule: Rule
) -> list[Question]:
    """Return questions with the tolerance that a rule needs under which targets are drawn.

    What is learnt from drawn targets follows the last ones; a noisy reward is allowed for alike.
    """
    if rule.belongs == "own":
        return asked
    scatter = solve(problem, gae_lambda=gae_lambda, rule=rule).scatter
    needed = [EXACT + (NOISY - EXACT) * scatter[list(q.states)].max() for q in asked]
    return [
        q if q.quantity == "action" else replace(q, tolerance=max(q.tolerance, float(t)))
        for q, t in zip(asked, needed, strict=True)
    ]


def ask(subject: Subject, problem: Problem, question: Question, returns: list[float]) -> Array:
    """Return what a trainer answers, (n,) or (n, D) for continuous actions."""
    if question.quantity == "return":
        return np.array([np.mean(returns[-200:]) if returns else np.nan])
    observations = problem.batch(list(question.states))
    if question.quantity == "value":
        assert subject.value
        return subject.value(observations)
    if question.quantity == "q":
        assert subject.q
        return subject.q(observations, problem.representatives()[list(question.branches)])
    assert subject.action
    actions = np.asarray(subject.action(observations), dtype=float)
    if problem.kind == "discrete" and not np.isin(actions, np.arange(problem.n_branches)).all():
        raise UserError(
            f"action() answered {np.ravel(actions)[0]:g}, which is none of the"
            f" {problem.n_branches} actions of the space."
        )
    return (
        actions.reshape(len(question.states), -1)
        if problem.kind == "continuous"
        else actions.reshape(-1)
    )


def fits(problem: Problem, question: Question, given: Array, expected: Array) -> bool:
    """Return whether an answer is the expected one; NaN is never right, and expects anything."""
    if question.quantity == "action":
        return _same_actions(problem, given, expected)
    said = ~np.isnan(expected)
    return bool((np.abs(given - expected)[said] <= question.tolerance).all())


def _same_actions(problem: Problem, given: Array, expected: Array) -> bool:
    if np.isnan(expected).any() or not np.isfinite(given).all():
        return False
    if problem.kind == "discrete":
        return bool((given == expected).all())
    if problem.best is None:  # only the sign counts
        return bool(((given[:, 0] > 0) == (expected[:, 0] > 0)).all())
    half = (problem.bounds[1] - problem.bounds[0]) / 2
    return bool((np.abs(given - expected) <= ACTION * half).all())


def _expected(problem: Problem, question: Question, answer: Answer, rule: Rule) -> Array:
    states = list(question.states)
    if question.quantity == "return":
        return np.array([1.0])
    if question.quantity == "value":
        reached = np.isin(problem.seen_as[states], problem.seen_as[_reached(problem, answer, rule)])
        return np.where(reached, answer.values[states], np.nan)
    if question.quantity == "q":
        return answer.q[states, list(question.branches)]
    if rule.acts == "any" or (len(states) > 1 and not rule.sees):
        return np.full((len(states), problem.action_dims), np.nan)
    if problem.best is not None:
        best = problem.best[states]
        told = rule.acts == "best" and not rule.signs  # near the best action all signs are alike
        return best if told else np.full_like(best, np.nan)
    q = answer.q[states] if rule.acts == "best" else -answer.q[states]
    branch = q.argmax(axis=1)
    if np.any(np.sum(q > q.max(axis=1, keepdims=True) - 1e-9, axis=1) > 1):  # a tie says nothing
        return np.full((len(states), problem.action_dims), np.nan)
    return branch if problem.kind == "discrete" else problem.representatives()[branch]


def _reached(problem: Problem, answer: Answer, rule: Rule = RIGHT) -> list[int]:
    """Return the states that a policy reaches: values of others are soon forgotten."""
    q = answer.q if rule.acts == "best" else -answer.q
    found = list(problem.starts)
    for state in found:
        nexts = problem.following[state]
        some = nexts if rule.acts == "any" or len(nexts) == 1 else [nexts[q[state].argmax()]]
        if problem.ends[state] == GOES_ON:
            found += [int(after) for after in some if after not in found]
    return found


def _asked_states(problem: Problem) -> tuple[int, ...]:
    """Return one state for each observation that the best policy meets."""
    found = _reached(problem, solve(problem, gae_lambda=0.0))
    return tuple(sorted({int(problem.seen_as[s]): s for s in reversed(found)}.values()))


def _decides(problem: Problem, state: int) -> bool:
    if problem.best is not None:
        return True
    q = solve(problem, gae_lambda=0.0).q[state]
    return bool(np.ptp(q) > 1e-9)


def _tolerance(problem: Problem, chooses: bool) -> float:
    if problem.name in MEASURES:
        return MEASURES[problem.name]
    size = float(np.abs(solve(problem, gae_lambda=0.0).values).max())
    base = NOISY if problem.noise else STOCHASTIC if chooses else EXACT
    return base if size <= 2 else max(base, 0.05 * size)
