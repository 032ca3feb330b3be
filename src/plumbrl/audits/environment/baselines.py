"""Random actions, the oracle and the trained policy on the same seeds: who gains on whom."""

from dataclasses import dataclass

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.metrics.statistics import Interval, mean_interval
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
RANDOM, TRAINED, ORACLE = "random baseline", "trained against random", "oracle against random"
FEW = 5
"""Episodes below which two policies are not compared."""


@dataclass(frozen=True)
class Gain:
    """What one policy gains on another, by the episodes of common seeds.

    Attributes:
        interval: Of the mean difference.
        episodes: How many were compared.
        spread: Standard deviation of the other's scores.
    """

    interval: Interval
    episodes: int
    spread: float

    @property
    def clear(self) -> bool:
        """Whether there is a gain."""
        return self.interval.low > 0

    @property
    def none(self) -> bool:
        """Whether nothing is gained, and not only too little to be seen."""
        return self.interval.low <= 0 and self.interval.high < max(self.spread, 1e-9)

    def __str__(self) -> str:
        return f"{self.interval} over {self.episodes} episodes"


def scores(sample: Sample, metric: str) -> dict[int, float]:
    """Return how well each finished episode was done, by its seed's place.

    Args:
        sample: Transitions.
        metric: Key of a number in the infos, with a leading ``-`` if lower is better; empty for the
            return. Of a metric, the mean over the episode counts.
    """
    key = metric.lstrip("-")
    values = sample.infos.get(key) if key else sample.rewards
    if values is None:
        return {}
    sign = -1.0 if metric.startswith("-") else 1.0
    total = np.nanmean if key else np.sum
    told = {
        int(sample.episode[e.start]): sign * float(total(values[e]))
        for e in sample.finished if not np.isnan(values[e]).all()
    }  # fmt: skip
    return {k: score for k, score in told.items() if np.isfinite(score)}


def gain(one: dict[int, float], other: dict[int, float]) -> Gain | None:
    """Return what one gains on the other; None where fewer than `FEW` seeds are common."""
    common = sorted(one.keys() & other.keys())
    if len(common) < FEW:
        return None
    differences = np.array([one[k] - other[k] for k in common])
    spread = float(np.std([other[k] for k in common]))
    return Gain(mean_interval(differences), len(common), spread)


def ask_baselines(subject: Subject) -> list[Outcome]:
    """Return how random actions, trained policy and oracle compare."""
    chance = scores(subject.random, subject.metric)
    told = [describe(subject.random)]
    gains: dict[str, Gain | None] = {}
    for name, sample in ((TRAINED, subject.trained), (ORACLE, subject.expert)):
        if sample is None:
            told.append(skipped(name, f"no {name.split()[0]} policy was given"))
        else:
            gains[name] = gain(scores(sample, subject.metric), chance)
            if gains[name] is None:
                reason = f"fewer than {FEW} episodes with common seeds ended"
                told.append((Check(name, "inconclusive", reason), None))
    return told + compare(gains.get(TRAINED), gains.get(ORACLE))


def describe(sample: Sample) -> Outcome:
    """Say what random actions reach."""
    if not len(sample.returns):
        return Check(RANDOM, "inconclusive", f"no episode ended within {len(sample)} steps"), None
    mean = mean_interval(sample.returns) if np.isfinite(sample.returns).all() else "not finite"
    reason = (
        f"return {mean}, length {sample.lengths.mean():.4g} over {len(sample.returns)} episodes"
    )
    return Check(RANDOM, "passed", reason), None


def compare(trained: Gain | None, oracle: Gain | None) -> list[Outcome]:
    """Judge what trained policy and oracle gain on random actions; None for what is not known."""
    outcomes: list[Outcome] = []
    if oracle is not None:
        outcomes.append(_oracle(oracle, trained))
    if trained is not None:
        outcomes.append(_trained(trained, oracle))
    return outcomes


def _oracle(oracle: Gain, trained: Gain | None) -> Outcome:
    reason = f"the oracle gains {oracle}"
    if oracle.clear:
        return Check(ORACLE, "passed", reason), None
    if not oracle.none or (trained is not None and trained.clear):
        return Check(ORACLE, "inconclusive", f"{reason}; more episodes decide"), None
    evidence = Evidence("gain of the oracle", oracle.interval.estimate, "above 0")
    return found(ORACLE, "environment.baseline-fails", reason, evidence, confidence=0.5)


def _trained(trained: Gain, oracle: Gain | None) -> Outcome:
    reason = f"the trained policy gains {trained}"
    if trained.clear:
        return Check(TRAINED, "passed", reason), None
    if not trained.none:
        return Check(TRAINED, "inconclusive", f"{reason}; more episodes decide"), None
    evidence = Evidence("gain of the trained policy", trained.interval.estimate, "above 0")
    if oracle is not None and oracle.clear:
        cause = "environment.only-oracle-succeeds"
        told = f"{reason}, the oracle {oracle}"
        return found(TRAINED, cause, told, evidence, confidence=0.5)
    return found(TRAINED, "task.no-better-than-random", reason, evidence, confidence=0.9)
