"""Whether episodes give the policy a chance: neither all cut off nor over at once."""

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.audits.task.gap import better, clearly_better
from plumbrl.findings import Check, Evidence
from plumbrl.metrics.statistics import rate_interval
from plumbrl.oracles.compare import Outcome, found

LIMIT, SHORT = "episodes reach what ends them", "episodes last long enough to learn from"
FEWEST = 10
"""Finished episodes below which nothing is said of all of them."""
TOO_SHORT = 10
"""Steps below which an episode counts as over at once."""
MOSTLY = 0.8


def ask_ends(subject: Subject) -> list[Outcome]:
    """Judge how the episodes of the trained policy end, where there is one."""
    random, trained, expert = subject.random, subject.trained, subject.expert
    return [
        judge_limit(trained, random, expert),
        judge_short(random, [s for s in (trained, expert) if s is not None]),
    ]


def judge_limit(trained: Sample | None, random: Sample, expert: Sample | None) -> Outcome:
    """Judge the share of episodes that run into the limit.

    It accuses a trained policy that always runs into the limit, where the oracle comes to an end of
    its own and is better off for it. An endless task, or one that is to last, is not accused.

    Args:
        trained: Of the trained policy, if there is one.
        random: Of random actions.
        expert: Of the oracle, if there is one.
    """
    sample, who = (random, "random") if trained is None else (trained, "trained")
    finished = len(sample.finished)
    if not finished:
        return Check(LIMIT, "inconclusive", f"no {who} episode ended"), None
    cut = finished - int(sample.terminated.sum())
    reason = f"{_rate(cut, finished)} {who} episodes run into the limit"
    if cut < finished or finished < FEWEST or trained is None:
        return Check(LIMIT, "passed", reason), None
    if expert is None:
        if clearly_better(trained, random):
            return Check(LIMIT, "passed", f"{reason}, and return more than random ones"), None
        more = f"{reason}, no better than random; an oracle would tell whether there is an end"
        return Check(LIMIT, "inconclusive", more), None
    if not ends_itself(expert, random) or not clearly_better(expert, trained):
        return Check(LIMIT, "passed", f"{reason}; the oracle gains nothing by an end"), None
    ended = int(expert.terminated.sum())
    reason += f"; the oracle ends {_rate(ended, len(expert.finished))}"
    evidence = Evidence("share of episodes cut off", cut / finished, "below 1")
    return found(LIMIT, "task.goal-never-reached", reason, evidence, confidence=0.7)


def ends_itself(expert: Sample, random: Sample) -> bool:
    """Whether the oracle mostly comes to a terminal state, and is better off for it."""
    finished = len(expert.finished)
    ended = finished and expert.terminated.sum() >= MOSTLY * finished
    return bool(ended) and clearly_better(expert, random)


def judge_short(random: Sample, able: list[Sample]) -> Outcome:
    """Judge how long episodes last.

    Short ones are in the nature of many tasks, so they accuse only where a policy that should do
    better terminates as soon and gets no more.

    Args:
        random: Of random actions.
        able: Of the trained policy and of the oracle, as far as there are any.
    """
    if not random.finished:
        return Check(SHORT, "passed", f"no random episode ended in {len(random):,} steps"), None
    shortest = float(np.median(random.lengths))
    reason = f"the median of {len(random.finished)} random episodes lasts {shortest:.0f} steps"
    if shortest >= TOO_SHORT:
        return Check(SHORT, "passed", reason), None
    stuck = [s for s in able if _over_at_once(s, random)]
    if not able:
        more = f"{reason}: a trained policy or an oracle would tell whether that is its nature"
        return Check(SHORT, "inconclusive", more), None
    if len(stuck) < len(able):
        return Check(SHORT, "passed", f"{reason}, those of an able policy last or pay more"), None
    lasted = float(max(np.median(s.lengths) for s in stuck))
    evidence = Evidence("median length of an episode", lasted, f"at least {TOO_SHORT}", "steps")
    reason += f", {lasted:.0f} with a policy that should do better"
    return found(SHORT, "task.episodes-too-short", reason, evidence, confidence=0.6)


def _over_at_once(sample: Sample, random: Sample) -> bool:
    finished = len(sample.finished)
    if finished < FEWEST or np.median(sample.lengths) >= TOO_SHORT:
        return False
    gain = better(sample, random)
    ended = sample.terminated.sum() >= MOSTLY * finished
    return bool(ended) and gain is not None and gain.low <= 0


def _rate(count: int, total: int) -> str:
    rate = rate_interval(count, total)
    return f"{count} of {total} [{rate.low:.0%}, {rate.high:.0%}]"
