"""Mistakes with a number in it that the trials themselves give: gamma, lambda, a scale."""

from collections.abc import Callable

import numpy as np

from plumbrl.probes.problem import Array, Problem
from plumbrl.probes.solve import Rule
from plumbrl.probes.suspect import ON, Suspect, under
from plumbrl.probes.trial import Trial

PRIOR = 0.3
"""A fitted number explains more easily than a fixed one, and so counts less."""


def fitted(trials: list[tuple[Problem, Trial]]) -> list[Suspect]:
    """Suspects whose rule has a number in it that the trials themselves give."""
    found: list[Suspect] = []
    gamma, gae_lambda, scale = measured_gamma(trials), measured_lambda(trials), _scale(trials)
    declared = next((t for _, t in trials if t.family == "value"), None)
    if gamma:
        declared_gamma = next(p.gamma for p, t in trials if t.probe == "ladder")
        power = float(np.log(gamma) / np.log(declared_gamma)) if gamma < 1 else 0.0
        rules = (Rule(gamma=gamma), Rule(power=power))
        found.append(Suspect("value.other-gamma", rules, prior=PRIOR))
    if declared and declared.gae_lambda not in (0.0, 1.0):
        swapped = Rule(gamma=declared.gae_lambda)
        found.append(Suspect("configuration.gamma-lambda-swapped", (swapped,), families=ON))
    if gae_lambda is not None:
        ignored = "configuration.lambda-ignored"
        rules = (Rule(gae_lambda=gae_lambda),)
        found.append(Suspect(ignored, rules, families=ON, prior=PRIOR))
    if scale is not None:
        found.append(Suspect("data.reward-scaled", (Rule(reward=scale),), prior=PRIOR))
    return found


def measured_gamma(trials: list[tuple[Problem, Trial]]) -> float | None:
    """Return the discount factor that the ladder's values show, None if none reproduces them."""
    return _grid(trials, "ladder", lambda x: Rule(gamma=x), np.linspace(0, 1.2, 241))


def measured_lambda(trials: list[tuple[Problem, Trial]]) -> float | None:
    """Return the lambda that the aliased chain's value shows, None if none reproduces it."""
    if not any(t.probe == "alias" and t.family == "value" for _, t in trials):
        return None
    return _grid(trials, "alias", lambda x: Rule(gae_lambda=x), np.linspace(0, 1, 101))


def _grid(
    trials: list[tuple[Problem, Trial]], probe: str, rule: Callable[[float], Rule], grid: Array
) -> float | None:
    """Return the number whose rule comes nearest to all answers on a probe."""
    found = [(p, t) for p, t in trials if t.probe == probe and t.given]
    if not found:
        return None
    errors = [
        max(
            float(np.abs(g - e).max())
            for p, t in found
            for g, e in zip(t.given, under(p, t, rule(x)), strict=True)
        )
        for x in grid
    ]
    best = int(np.argmin(errors))
    return float(grid[best]) if errors[best] <= found[0][1].asked[0].tolerance else None


def _scale(trials: list[tuple[Problem, Trial]]) -> float | None:
    """Return the factor between the value of a constant reward and the reward."""
    ratios = [float(t.given[0][0]) for p, t in trials if p.name == "constant" and t.given]
    if not ratios or not np.isfinite(ratios).all():
        return None
    return float(np.mean(ratios)) if abs(np.mean(ratios)) > 0.01 else None
