"""Whether the reward makes it best to end an episode early, or never to reach the goal."""

from dataclasses import dataclass

import numpy as np

from plumbrl.audits.reward.task_metric import correlation
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME, LAST = "it pays to do the task, not to end or to linger", "the last step of an episode pays"
EPISODES = 20
EASY = 0.2
"""Share of the time limit within which random actions end most episodes: failing is that easy, a
goal hardly ever. Without a limit, `SHORT` steps."""
SHORT = 200
BONUS = 2.0
"""Times the range of other rewards that a terminal one is above all of them, if it is a goal's."""


@dataclass(frozen=True)
class Ends:
    """What pays in a sample of random actions.

    Attributes:
        inner: Rewards of steps that end no episode.
        terminal: Rewards of steps that terminate.
        length: Median length of finished episodes.
        early: Share of finished episodes that terminated.
        trend: Correlation of return and length.
    """

    inner: Array
    terminal: Array
    length: float
    early: float
    trend: float


def ask(subject: Subject) -> list[Outcome]:
    """Ask what ends of episodes pay."""
    sample = subject.random
    if not sample.terminated.any():
        reason = "no random episode terminated, so a constant in the reward changes nothing"
        return [skipped(NAME, reason), skipped(LAST, reason)]
    return [check_ending(sample, subject.gamma, subject.limit), check_last(sample)]


def ends_of(sample: Sample) -> Ends:
    """Return what pays."""
    finished = sample.finished
    return Ends(
        sample.rewards[~sample.ended],
        sample.rewards[sample.terminated],
        float(np.median(sample.lengths)),
        float(np.mean([sample.terminated[e.stop - 1] for e in finished])),
        correlation(sample.returns, sample.lengths.astype(float)),
    )


def check_ending(sample: Sample, gamma: float, limit: int | None) -> Outcome:
    """Look for rewards that make failing early best, or lingering better than a goal.

    Args:
        sample: Random actions, in which some episodes terminated.
        gamma: Discount of the trainer.
        limit: Steps after which episodes are truncated; None if unknown.
    """
    if len(sample.finished) < EPISODES or not np.isfinite(sample.rewards).all():
        return skipped(NAME, f"{len(sample.finished)} finished episodes; {EPISODES} would do")
    ends = ends_of(sample)
    if not len(ends.inner):
        return skipped(NAME, "every episode ends with its first step")
    reason = f"return and length correlate by {ends.trend:.2f}"
    if _dying_pays(sample, ends, limit):
        evidence = (
            Evidence("mean reward of a step", float(ends.inner.mean()), "above 0 if ending is bad"),
            Evidence("correlation of return and length", ends.trend, "positive"),
            Evidence("median length", ends.length, "near the limit if ending is good", "steps"),
        )
        reason += (
            f"; {ends.early:.0%} of random episodes terminate, half within {ends.length:g} steps"
        )
        return found(NAME, "reward.ending-pays", reason, *evidence, confidence=0.7)
    worth = lingering(ends, gamma, limit)
    goal = float(ends.terminal.max())
    if _has_goal(ends) and worth > goal > 0:
        evidence = (
            Evidence("worth of going on", worth, f"below {goal:.4g}", "", "discounted"),
            Evidence("highest reward of a terminal step", goal, ""),
        )
        reason = f"going on is worth {worth:.4g} discounted, the goal {goal:.4g}"
        return found(NAME, "reward.lingering-pays", reason, *evidence, confidence=0.8)
    return Check(NAME, "passed", reason), None


def _dying_pays(sample: Sample, ends: Ends, limit: int | None) -> bool:
    easy = ends.length < (SHORT if limit is None else EASY * limit) and ends.early > 0.9
    wins = bool(np.nanmax(sample.infos.get("is_success", np.zeros(1)), initial=0.0) > 0)
    costs = ends.inner.mean() < 0 and float(np.mean(ends.inner < 0)) > 0.9
    return easy and costs and ends.trend < -0.5 and not _has_goal(ends) and not wins


def _has_goal(ends: Ends) -> bool:
    least = ends.inner.max() + BONUS * np.ptp(ends.inner)
    return bool(ends.terminal.max() > least + 1e-9 * abs(least))


def lingering(ends: Ends, gamma: float, limit: int | None) -> float:
    """Return the discounted sum of the usual reward over an episode that is not ended."""
    usual = float(np.median(ends.inner))
    if gamma >= 1:
        return usual * (limit or 1000)
    return usual * (1 - gamma ** (limit or 10**9)) / (1 - gamma)


def check_last(sample: Sample) -> Outcome:
    """Say whether all terminal steps pay 0 while no other does: a goal would never be valued."""
    ends = ends_of(sample)
    some = len(ends.terminal) >= EPISODES and len(ends.inner) > 0
    if not some or ends.terminal.any() or (ends.inner == 0).mean() > 0.01:
        count = f"{len(ends.terminal)} terminal steps pay {ends.terminal.mean():.4g} on average"
        return Check(LAST, "passed", count), None
    reason = (
        f"all {len(ends.terminal)} terminal steps pay exactly 0, and others do not: "
        "a price of failing, or a reward that got lost; terms of the reward in the infos would tell"
    )
    evidence = Evidence("rewards of terminal steps", 0.0, "not 0 where ends are goals")
    named = finding("reward.terminal-zero", step=0, evidence=(evidence,), confidence=0.4)
    return Check(LAST, "inconclusive", reason), named
