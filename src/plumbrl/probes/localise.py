"""From passed and failed probes to the component: which mistake explains them best?

A mistake makes some probes fail, in its own way, and leaves others right. Each outcome counts for
or against it, and so does an identity that held where the mistake would have broken it. The
posterior over mistakes, summed by component, is the answer.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from plumbrl.findings import CheckVerdict
from plumbrl.probes.cleared import REMAINS, cleared
from plumbrl.probes.problem import Problem
from plumbrl.probes.suspect import Account
from plumbrl.probes.suspects import suspects
from plumbrl.probes.trial import Trial

FAIL: dict[Account, float] = {
    "in numbers": 0.85, "loosely": 0.5, "somehow": 0.3, "otherwise": 0.05, "leaves right": 0.02,
}  # fmt: skip
"""Chance of a failure by how well the mistake accounts for it."""
PASS: dict[Account, float] = {"leaves right": 0.98, "loosely": 0.4, "otherwise": 0.1}
"""Chance to pass a probe that a mistake leaves right, one that takes luck, one that it spoils."""


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


def localise(trials: Iterable[tuple[Problem, Trial]], held: Collection[str] = ()) -> list[Ranked]:
    """Return mistakes, the most probable first; empty if nothing failed.

    Args:
        trials: Every probe with what became of it; skipped and undecided ones say nothing.
        held: Identities that were looked at in the same trials and held.
    """
    decided = [(p, t) for p, t in trials if t.verdict in ("passed", "failed")]
    if all(trial.verdict == "passed" for _, trial in decided):
        return []
    possible = [s for s in suspects(decided) if decided[0][1].family in s.families]
    unlikely = cleared(held)
    priors = [s.prior * (REMAINS if s.cause in unlikely else 1.0) for s in possible]
    accounts: list[list[Account]] = [[s.accounts(p, t) for p, t in decided] for s in possible]
    verdicts: list[CheckVerdict] = [trial.verdict for _, trial in decided]
    scores = np.log(priors) + [sum(map(_log_chance, verdicts, row)) for row in accounts]
    weights = np.exp(scores - scores.max())
    shares = weights / weights.sum()
    names = [problem.name for problem, _ in decided]
    return [
        _ranked(possible[i].cause, float(shares[i]), zip(names, verdicts, accounts[i], strict=True))
        for i in np.argsort(-weights)
    ]


def by_component(ranked: list[Ranked]) -> dict[str, float]:
    """Return the probability of each component, the largest first."""
    total: dict[str, float] = {}
    for entry in ranked:
        total[entry.component] = total.get(entry.component, 0.0) + entry.probability
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def _log_chance(verdict: CheckVerdict, account: Account) -> float:
    return float(np.log((FAIL if verdict == "failed" else PASS)[account]))


def _ranked(
    cause: str, probability: float, probes: Iterable[tuple[str, CheckVerdict, Account]]
) -> Ranked:
    explains, contradicts = [], []
    for name, verdict, account in probes:
        if verdict == "failed" and account not in ("otherwise", "leaves right"):
            explains.append(name)
        if (verdict == "passed") != (account == "leaves right"):
            contradicts.append(name)
    return Ranked(cause, probability, tuple(explains), tuple(contradicts))
