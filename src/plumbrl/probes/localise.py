"""From passed and failed probes to the component: which mistake explains them best?

A mistake makes some probes fail, in its own way, and leaves others right. Each outcome counts for
or against it; the posterior over mistakes, summed by component, is the answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from plumbrl.probes.problem import Array, Problem
from plumbrl.probes.suspect import Suspect
from plumbrl.probes.suspects import suspects
from plumbrl.probes.trial import Trial

PASS_IF_RIGHT, PASS_ANYWAY = 0.98, 0.1
"""Chance to pass a probe that a mistake leaves right, and one that it spoils."""
FAIL_AS_EXPECTED, FAIL_LOOSELY, FAIL_SOMEHOW = 0.85, 0.5, 0.3
"""Chance of a failure: explained in numbers, by a pattern that much fits, in an unsaid way."""
FAIL_UNEXPLAINED, FAIL_OTHERWISE = 0.02, 0.05
"""Chance of a failure of a probe left right; and in another way than the mistake's."""


@dataclass(frozen=True)
class Ranked:
    """A mistake and the probability that it is the one.

    Attributes:
        cause: Id in the catalogue.
        probability: In [0, 1]; over all mistakes 1.
        explains: Failed probes whose answers it gives.
        contradicts: Probes that speak against it.
    """

    cause: str
    probability: float
    explains: tuple[str, ...]
    contradicts: tuple[str, ...]

    @property
    def component(self) -> str:
        """The component at fault."""
        return self.cause.partition(".")[0]


def localise(trials: Iterable[tuple[Problem, Trial]]) -> list[Ranked]:
    """Return mistakes, the most probable first; empty if nothing failed.

    Args:
        trials: Every probe with what became of it; skipped and undecided ones say nothing.
    """
    decided = [(p, t) for p, t in trials if t.verdict in ("passed", "failed")]
    if all(trial.verdict == "passed" for _, trial in decided):
        return []
    possible = [s for s in suspects(decided) if decided[0][1].family in s.families]
    scores = np.array(
        [np.log(s.prior) + sum(_log_chance(s, p, t) for p, t in decided) for s in possible]
    )
    weights = np.exp(scores - scores.max())
    order = np.argsort(-weights)
    return [_ranked(possible[i], float(weights[i] / weights.sum()), decided) for i in order]


def by_component(ranked: list[Ranked]) -> dict[str, float]:
    """Return the probability of each component, the largest first."""
    total: dict[str, float] = {}
    for entry in ranked:
        total[entry.component] = total.get(entry.component, 0.0) + entry.probability
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def matrix(trials: Iterable[tuple[Problem, Trial]], ranked: list[Ranked]) -> dict[str, Array]:
    """Return for each failed probe how much each component explains it, in [0, 1].

    Args:
        trials: Every probe with what became of it.
        ranked: From `localise`.

    Returns:
        By probe: the probability of each component (in the order of `by_component`) given that
        probe alone, weighted by the posterior.
    """
    components = list(by_component(ranked))
    rows = {}
    for problem, trial in trials:
        if trial.verdict == "failed":
            weights = np.zeros(len(components))
            for entry in ranked:
                if problem.name in entry.explains:
                    weights[components.index(entry.component)] += entry.probability
            rows[problem.name] = weights
    return rows


def _log_chance(suspect: Suspect, problem: Problem, trial: Trial) -> float:
    spoils = suspect.expects_failure(problem, trial)
    if trial.verdict == "passed":
        return float(np.log(PASS_ANYWAY if spoils else PASS_IF_RIGHT))
    if not spoils:
        return float(np.log(FAIL_UNEXPLAINED))
    if not suspect.rules and not suspect.pattern:
        return float(np.log(FAIL_SOMEHOW))
    if not suspect.explains(problem, trial):
        return float(np.log(FAIL_OTHERWISE))
    return float(np.log(FAIL_AS_EXPECTED if suspect.sharp else FAIL_LOOSELY))


def _ranked(suspect: Suspect, probability: float, decided: list[tuple[Problem, Trial]]) -> Ranked:
    explains, contradicts = [], []
    for problem, trial in decided:
        spoils = suspect.expects_failure(problem, trial)
        if trial.verdict == "failed" and spoils:
            vague = not suspect.rules and not suspect.pattern
            if vague or suspect.explains(problem, trial):
                explains.append(problem.name)
        if (trial.verdict == "failed") != spoils:
            contradicts.append(problem.name)
    return Ranked(suspect.cause, probability, tuple(explains), tuple(contradicts))
