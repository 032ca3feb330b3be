"""Whether the trained policy comes to where the reward is best, and stays there.

The goal is where infos say ``is_success``; without such a mark, where the reward is about as high
as in the second half of the oracle's episodes, if random actions are seldom there.
"""

from dataclasses import dataclass

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.audits.task.ends import ends_itself
from plumbrl.audits.task.gap import clearly_better
from plumbrl.findings import Check, Evidence
from plumbrl.metrics.statistics import Interval, rate_interval
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
VISITS, STAYS = "the trained policy comes to the goal", "the trained policy stays at the goal"
MARKS = ("is_success", "success")
SELDOM = 0.2
"""Share of random steps at the goal above which it is no goal."""
TOLERANCE = 0.1
"""Share of the way from chance to the oracle by which a reward may fall short of the goal's."""
FEWEST = 10


@dataclass(frozen=True)
class Visits:
    """Visits of a policy's episodes to the goal.

    Attributes:
        visited: Whether an episode came there at all, bool (n,).
        stayed: Share of its steps after the first visit that were at the goal; NaN without a visit
            or a step after it, (n,).
    """

    visited: Array
    stayed: Array

    @property
    def rate(self) -> Interval:
        """Share of episodes with a visit."""
        return rate_interval(int(self.visited.sum()), len(self.visited))

    @property
    def staying(self) -> float:
        """Median of `stayed`; NaN without any."""
        kept = self.stayed[~np.isnan(self.stayed)]
        return float(np.median(kept)) if len(kept) else float("nan")


def ask_goal(subject: Subject) -> list[Outcome]:
    """Judge visits of the trained policy to the goal."""
    random, trained, expert = subject.random, subject.trained, subject.expert
    if trained is None:
        return [skipped(VISITS, "needs a trained policy"), skipped(STAYS, "needs a trained policy")]
    able = expert if clearly_better(expert, random) else None
    if able is not None and not _marked(random) and ends_itself(able, random):
        reason = "the goal ends the episode"
        return [skipped(VISITS, reason), skipped(STAYS, reason)]
    threshold = None if _marked(random) or able is None else goal_reward(able, random)
    if threshold is None and not _marked(random):
        reason = "needs info['is_success'], or an oracle that earns what random actions seldom do"
        return [skipped(VISITS, reason), skipped(STAYS, reason)]
    return judge_goal(visits(trained, threshold), None if able is None else visits(able, threshold))


def judge_goal(trained: Visits, expert: Visits | None) -> list[Outcome]:
    """Judge visits of the trained policy, beside those of the oracle if there is one."""
    share = f"{int(trained.visited.sum())} of {len(trained.visited)} trained episodes come there"
    rate = trained.rate
    reason = f"{share} [{rate.low:.0%}, {rate.high:.0%}]"
    if len(trained.visited) < FEWEST or (expert is not None and expert.rate.estimate < 0.8):
        why = f"{reason}; too few episodes, or the oracle seldom comes there either"
        return [(Check(VISITS, "inconclusive", why), None), skipped(STAYS, "visits are too few")]
    if not trained.visited.any():
        evidence = Evidence("share of episodes at the goal, upper end", rate.high, "above 0.5")
        never = found(VISITS, "task.goal-never-visited", reason, evidence, confidence=0.7)
        return [never, skipped(STAYS, "it never comes there")]
    return [(Check(VISITS, "passed", reason), None), _staying(trained, expert)]


def _staying(trained: Visits, expert: Visits | None) -> Outcome:
    if expert is None or np.isnan(trained.staying) or np.isnan(expert.staying):
        return skipped(STAYS, "needs an oracle, and steps after a visit")
    reason = (
        f"after the first visit, {trained.staying:.0%} of steps are at the goal, "
        f"{expert.staying:.0%} of the oracle's"
    )
    if expert.staying < 0.8 or trained.staying > 0.3:
        return Check(STAYS, "passed", reason), None
    expected = f"about {expert.staying:.2f}"
    evidence = Evidence("share of steps at the goal after a visit", trained.staying, expected)
    return found(STAYS, "task.goal-left", reason, evidence, confidence=0.6)


def goal_reward(expert: Sample, random: Sample) -> float | None:
    """Return the reward from which on a step counts as at the goal; None if there is no such.

    Args:
        expert: A policy that is better than chance.
        random: Random actions.
    """
    late = np.concatenate(
        [expert.rewards[(e.start + e.stop) // 2 : e.stop] for e in expert.episodes]
    )
    away = np.median(late) - np.median(random.rewards)
    threshold = float(np.quantile(late, 0.25) - TOLERANCE * away)
    if not away > 0 or (random.rewards >= threshold).mean() > SELDOM:
        return None
    return threshold


def visits(sample: Sample, threshold: float | None) -> Visits:
    """Return a sample's visits.

    Args:
        sample: Episodes.
        threshold: The least reward at the goal; None where infos mark success.
    """
    if threshold is not None:
        there = sample.rewards >= threshold
    else:
        marks = next((sample.infos[k] for k in MARKS if k in sample.infos), np.zeros(len(sample)))
        there = np.nan_to_num(marks) > 0.5
    episodes = [there[e] for e in sample.finished]
    return Visits(
        np.array([e.any() for e in episodes], dtype=bool), np.array([_stayed(e) for e in episodes])
    )


def _stayed(there: Array) -> float:
    after = there[int(there.argmax()) + 1 :] if there.any() else there[:0]
    return float(after.mean()) if len(after) else float("nan")


def _marked(sample: Sample) -> bool:
    return any(mark in sample.infos for mark in MARKS)
