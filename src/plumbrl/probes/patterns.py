"""How answers look under mistakes that no rule gives numbers for."""

import numpy as np

from plumbrl.probes.measure import Question, fits, right_answers
from plumbrl.probes.problem import Array, Problem
from plumbrl.probes.solve import Rule
from plumbrl.probes.trial import Trial

RESTLESS = 0.25
"""Change of an answer from one checkpoint to the next, as a share of the largest right one (at
least of 1), from which on values jump about instead of creeping."""


def _values(trial: Trial) -> list[tuple[Array, Array, Array]]:
    """Return (before, given, right) of every value asked for."""
    return [
        (b, g, r)
        for q, b, g, r in zip(trial.asked, trial.before, trial.given, trial.right, strict=True)
        if q.quantity in ("value", "q")
    ]


def unchanged(problem: Problem, trial: Trial) -> bool:
    """Every answer is what it was before training."""
    parts = zip(trial.asked, trial.before, trial.given, strict=True)
    return all(np.allclose(g, b, atol=1e-6) for q, b, g in parts if q.quantity != "return")


def values_unchanged(problem: Problem, trial: Trial) -> bool:
    """Values did not move, though the right action, where there is one, was learnt."""
    return _values_within(problem, trial, share=0.0, margin=1e-6)


def values_hardly_moved(problem: Problem, trial: Trial) -> bool:
    """The same, but for a drift, as of layers that values share with the policy."""
    return _values_within(problem, trial, share=0.05, margin=0.02)


def _values_within(problem: Problem, trial: Trial, share: float, margin: float) -> bool:
    """Whether no value moved by more than a share of the way to where it belongs, and a margin."""
    found = _values(trial)
    return (
        bool(found)
        and not (_shows_something(problem) and all((b == 0).all() for b, _, _ in found))
        and not wrong_actions(problem, trial)
        and all((np.abs(g - b) <= share * np.abs(r - b) + margin).all() for b, g, r in found)
    )


def _shows_something(problem: Problem) -> bool:
    """Whether a network without biases need not answer exactly 0, unless its output is cut off."""
    return any(np.any(part) for part in problem.observations.values())


def slow(problem: Problem, trial: Trial) -> bool:
    """On the way from where it began to what is right, without haste, and not there."""
    found = _values(trial)
    if not found or restless(problem, trial):
        return False
    if not all(np.isfinite(g).all() for _, g, _ in found):
        return False
    moved = np.concatenate([g - b for b, g, _ in found])
    whole = np.concatenate([r - b for b, _, r in found])
    far = np.abs(whole) > 0.2
    shares = moved[far] / whole[far]
    along = (
        moved @ whole / max(whole @ whole, 1e-12)
    )  # states that share weights pull at each other
    return bool(far.any() and along > 0.001 and (shares > -0.1).all() and (shares < 0.97).all())


def restless(problem: Problem, trial: Trial) -> bool:
    """Values jump about from checkpoint to checkpoint."""
    return trial.unrest > RESTLESS * _largest(trial)


def diverged(problem: Problem, trial: Trial) -> bool:
    """Not a number, far larger than anything the problem holds, or never at rest."""
    given = [g for q, g in zip(trial.asked, trial.given, strict=True) if q.quantity != "return"]
    beyond = 10 * _largest(trial)
    return restless(problem, trial) or any(
        not np.isfinite(g).all() or np.abs(g).max() > beyond for g in given
    )


def _largest(trial: Trial) -> float:
    """Return the size of the largest right value, at least 1."""
    return max([1.0, *(float(np.abs(r).max()) for _, _, r in _values(trial))])


def lower(problem: Problem, trial: Trial) -> bool:
    """Every value is below the right one."""
    return all((g < r).all() for _, g, r in _values(trial)) and bool(_values(trial))


def wrong_actions(problem: Problem, trial: Trial) -> bool:
    """The chosen action is wrong, whatever the values."""
    parts = zip(trial.asked, trial.given, trial.right, strict=True)
    return any(q.quantity == "action" and not fits(problem, q, g, r) for q, g, r in parts)


def untried(problem: Problem, trial: Trial) -> bool:
    """Q is wrong only for actions that are not taken any more, or a wrong action is taken."""
    if wrong_actions(problem, trial):
        return True
    parts = zip(trial.asked, trial.given, trial.right, strict=True)
    tables = [(q, g, np.abs(g - r) <= q.tolerance) for q, g, r in parts if q.quantity == "q"]
    return bool(tables) and all(_taken(q, g)[~right].sum() == 0 for q, g, right in tables)


def _taken(question: Question, given: Array) -> Array:
    """Return for which pairs of state and branch the branch is the best one by what was given."""
    best = {
        s: max(g for g, t in zip(given, question.states, strict=True) if t == s)
        for s in question.states
    }
    return np.array([g == best[s] for g, s in zip(given, question.states, strict=True)])


def undecided(problem: Problem, trial: Trial) -> bool:
    """V lies between that of acting at random and that of the best action, never below."""
    uniform = right_answers(problem, list(trial.asked), trial.gae_lambda, rule=Rule(backup="mean"))
    parts = zip(trial.asked, trial.given, trial.right, uniform, strict=True)
    values = [(g, r, u) for q, g, r, u in parts if q.quantity == "value"]
    if not values:
        return wrong_actions(problem, trial)
    above = all((g > u - 0.15).all() for g, _, u in values)
    return above and any((g < r - 0.1).any() for g, r, _ in values)
