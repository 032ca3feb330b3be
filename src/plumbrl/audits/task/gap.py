"""How much of the way from random actions to the oracle the trained policy has gone."""

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.metrics.gap import difference_interval, gap_closed
from plumbrl.metrics.statistics import Interval
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME = "gap closed between random actions and the oracle"
FEWEST = 5
"""Finished episodes below which nothing is said of a mean."""
TOO_LITTLE = 0.1
"""Share of the gap below which the task counts as too hard."""


def ask_gap(subject: Subject) -> list[Outcome]:
    """Compare the returns of the trained policy with those of chance and of the oracle."""
    trained, expert = subject.trained, subject.expert
    if trained is None and expert is None:
        return [skipped(NAME, "needs a trained policy and an oracle")]
    random = subject.random
    if trained is None:
        assert expert is not None
        return [skipped(NAME, f"needs a trained policy; {_difficulty(random, expert)}")]
    if expert is None:
        gain = better(trained, random)
        reason = f"needs an oracle; {_gain(trained, random, gain)}"
        return [(Check(NAME, "inconclusive", reason), None)]
    return [judge_gap(trained.returns, random.returns, expert.returns)]


def judge_gap(trained: Array, random: Array, expert: Array) -> Outcome:
    """Judge returns of finished episodes, one array for each of the three.

    Fewer than 5 episodes of one, or an oracle that is not clearly better than chance, are
    inconclusive; so is an interval that holds 10 %.
    """
    counts = [int(np.isfinite(group).sum()) for group in (trained, random, expert)]
    said = "{} trained, {} random and {} oracle episodes".format(*counts)
    if min(counts) < FEWEST or any(
        n < len(g) for n, g in zip(counts, (trained, random, expert), strict=True)
    ):
        return Check(NAME, "inconclusive", f"only {said} finished with a finite return"), None
    above = difference_interval(expert, random)
    if above.low <= 0:
        reason = f"the oracle itself is not clearly better than random actions: {above} in {said}"
        return Check(NAME, "inconclusive", reason), None
    return _judged(gap_closed(trained, random, expert), said)


def _judged(gap: Interval, said: str) -> Outcome:
    reason = f"{gap.estimate:.0%} [{gap.low:.0%}, {gap.high:.0%}] closed, {said}"
    if gap.low >= TOO_LITTLE:
        return Check(NAME, "passed", reason), None
    if gap.high >= TOO_LITTLE:
        more = f"{reason}; more episodes would decide whether it is below {TOO_LITTLE:.0%}"
        return Check(NAME, "inconclusive", more), None
    evidence = Evidence("share of the gap closed, upper end", gap.high, "above 0.1", "", said)
    return found(NAME, "task.too-hard", reason, evidence, confidence=0.6)


def better(one: Sample, other: Sample) -> Interval | None:
    """Return by how much the mean return of one is above the other's; None: too few episodes."""
    groups = [s.returns[np.isfinite(s.returns)] for s in (one, other)]
    return difference_interval(*groups) if min(map(len, groups)) >= FEWEST else None


def clearly_better(one: Sample | None, other: Sample) -> bool:
    """Whether the interval of the difference in return lies above 0."""
    gain = better(one, other) if one is not None else None
    return gain is not None and gain.low > 0


def _gain(trained: Sample, random: Sample, gain: Interval | None) -> str:
    counts = f"{len(trained.finished)} trained and {len(random.finished)} random episodes"
    if gain is None:
        return f"{counts} are too few to compare returns"
    return f"trained minus random return is {gain} in {counts}"


def _difficulty(random: Sample, expert: Sample) -> str:
    gap = better(expert, random)
    if gap is None:
        return "too few episodes finished to say how far the oracle is from random actions"
    spread = float(random.returns.std())
    apart = f", {gap.estimate / spread:.1f} standard deviations" if spread > 0 else ""
    return f"the oracle returns {gap} more than random actions{apart}"
