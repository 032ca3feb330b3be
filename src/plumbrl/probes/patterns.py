"""How answers look under mistakes that no rule gives numbers for."""

import numpy as np

from plumbrl.probes.measure import fits, right_answers
from plumbrl.probes.problem import Array, Problem
from plumbrl.probes.solve import Rule
from plumbrl.probes.trial import Trial


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
    """Values hardly moved, though the right action, where there is one, was learnt."""
    found = _values(trial)
    dead = all((b == 0).all() for b, _, _ in found)  # no network begins at exactly 0
    return (
        bool(found)
        and not dead
        and not wrong_actions(problem, trial)
        and all((np.abs(g - b) <= 0.05 * np.abs(r - b) + 0.02).all() for b, g, r in found)
    )


def slow(problem: Problem, trial: Trial) -> bool:
    """On the way from where it began to what is right, and not there."""
    found = _values(trial)
    if not found or not all(np.isfinite(g).all() for _, g, _ in found):
        return False
    shares = np.concatenate([(g - b) / _nonzero(r - b) for b, g, r in found])
    far = np.concatenate([np.abs(r - b) > 0.2 for b, _, r in found])
    return bool(far.any() and (shares[far] > 0.001).all() and (shares[far] < 0.97).all())


def _nonzero(x: Array) -> Array:
    return np.where(np.abs(x) < 1e-6, 1e-6, x)


def diverged(problem: Problem, trial: Trial) -> bool:
    """Not a number, or far larger than anything the problem holds."""
    largest = max((np.abs(r).max() for _, _, r in _values(trial)), default=1.0)
    given = [g for q, g in zip(trial.asked, trial.given, strict=True) if q.quantity != "return"]
    return any(not np.isfinite(g).all() or np.abs(g).max() > 10 * max(1, largest) for g in given)


def lower(problem: Problem, trial: Trial) -> bool:
    """Every value is below the right one."""
    return all((g < r).all() for _, g, r in _values(trial)) and bool(_values(trial))


def wrong_actions(problem: Problem, trial: Trial) -> bool:
    """The chosen action is wrong, whatever the values."""
    parts = zip(trial.asked, trial.given, trial.right, strict=True)
    return any(q.quantity == "action" and not fits(problem, q, g, r) for q, g, r in parts)


def undecided(problem: Problem, trial: Trial) -> bool:
    """V lies between that of acting at random and that of the best action, never below."""
    uniform = right_answers(problem, list(trial.asked), trial.gae_lambda, rule=Rule(backup="mean"))
    parts = zip(trial.asked, trial.given, trial.right, uniform, strict=True)
    values = [(g, r, u) for q, g, r, u in parts if q.quantity == "value"]
    if not values:
        return wrong_actions(problem, trial)
    above = all((g > u - 0.15).all() for g, _, u in values)
    return above and any((g < r - 0.1).any() for g, r, _ in values)
