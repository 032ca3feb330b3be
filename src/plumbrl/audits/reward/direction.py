"""Whether the reward points the way of the task: against an oracle, or a metric of the task."""

import numpy as np

from plumbrl.audits.reward.better import Gain, does_better, gain, terminates
from plumbrl.audits.reward.task_metric import correlation, episode_metric
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
SIGN, HACKED = "more reward means doing the task better", "what earns the reward does the task"
FLIPPED = "reward.sign-flipped"
EPISODES = 10
AGAINST = -0.6
"""Correlation of reward and metric over random episodes below which they disagree."""


def ask(subject: Subject) -> list[Outcome]:
    """Ask whether the reward grows as the task is done better."""
    sample, metric = subject.random, subject.metric
    trained, expert = subject.trained, subject.expert
    return [
        check_sign(sample, expert, metric),
        check_hacking(sample, trained, expert, metric),
    ]


def check_sign(sample: Sample, expert: Sample | None, metric: str) -> Outcome:
    """Look for an oracle, or a metric, that is good where the reward is bad.

    Args:
        sample: Of random actions.
        expert: Of a policy that is known to do the task.
        metric: As for `episode_metric`.
    """
    if not np.isfinite(sample.rewards).all():
        return skipped(SIGN, "rewards are not finite")
    told = [_by_metric(sample, metric), _by_expert(sample, expert, metric)]
    known = [outcome for outcome in told if outcome is not None]
    failed = [outcome for outcome in known if outcome[0].verdict == "failed"]
    if known:
        return (failed or known)[0]
    reason = "an oracle that does the task, or a number of the infos that says how well, would tell"
    return Check(SIGN, "inconclusive", reason), None


def _by_metric(sample: Sample, metric: str) -> Outcome | None:
    """Longer episodes bend either correlation, so one that goes against settles nothing alone."""
    done = episode_metric(sample, metric)
    if done is None or len(done) < 2 * EPISODES or np.ptp(done) == 0:
        return None
    total, lengths = sample.returns, sample.lengths.astype(float)
    by_return, by_mean = correlation(total, done), correlation(total / lengths, done)
    alike = correlation(_beyond(total, lengths), _beyond(done, lengths))
    reason = (
        f"over {len(done)} random episodes, the metric correlates with the return by "
        f"{by_return:.2f} (at equal lengths {alike:.2f}), with the mean reward by {by_mean:.2f}"
    )
    if min(by_return, by_mean) > AGAINST:
        return Check(SIGN, "passed", reason), None
    if by_return > AGAINST or min(by_mean, alike) > AGAINST:
        return Check(SIGN, "inconclusive", f"{reason}; an oracle would tell"), None
    evidence = Evidence("correlation of return and metric", by_return, "positive", "", metric)
    return found(SIGN, FLIPPED, reason, evidence, confidence=0.75)


def _beyond(values: Array, lengths: Array) -> Array:
    """Return what a straight line in the lengths does not explain; exact zeros where it does."""
    line = np.stack([np.ones_like(lengths), lengths], axis=1)
    rest = values - line @ np.linalg.lstsq(line, values, rcond=None)[0]
    return rest if np.ptp(rest) > 1e-9 * np.ptp(values) else np.zeros_like(rest)


def _by_expert(sample: Sample, expert: Sample | None, metric: str) -> Outcome | None:
    if expert is None:
        return None
    earned = gain(expert.returns, sample.returns)
    if earned is None:
        return Check(SIGN, "inconclusive", "fewer than two episodes were finished"), None
    reason = f"the oracle returns {earned} against random actions"
    if not earned.down:
        return Check(SIGN, "passed", reason), None
    better = does_better(sample, expert, metric)
    if better == 0:
        return Check(SIGN, "inconclusive", f"{reason}, but does the task no better either"), None
    evidence = Evidence("gain in return of the oracle", earned.mean, "above 0", "", str(earned))
    return found(SIGN, FLIPPED, reason, evidence, confidence=better)


def check_hacking(
    sample: Sample, trained: Sample | None, expert: Sample | None, metric: str
) -> Outcome:
    """Compare what a trained policy gained in reward and in the task.

    Args:
        sample: Of random actions.
        trained: Of the trained policy.
        expert: Of a policy that is known to do the task.
        metric: As for `episode_metric`.
    """
    if trained is None:
        return skipped(HACKED, "no trained policy is given")
    earned = gain(trained.returns, sample.returns)
    if earned is None or not earned.up:
        reason = "the trained policy earns no more than random actions" if earned else "no episodes"
        return skipped(HACKED, reason)
    if expert is not None and _camps(trained, expert):
        return _found_camping(trained, expert)
    ours, theirs = episode_metric(sample, metric), episode_metric(trained, metric)
    if ours is None or theirs is None:
        return Check(HACKED, "inconclusive", "a metric of the task or an oracle would tell"), None
    return _against_metric(earned, ours, theirs, trained)


def _against_metric(earned: Gain, ours: Array, theirs: Array, trained: Sample) -> Outcome:
    done = gain(theirs, ours)
    reason = f"against random actions, return {earned} and metric {done}"
    if done is None or done.up:
        return Check(HACKED, "passed", reason), None
    if len(theirs) < EPISODES:
        return Check(HACKED, "inconclusive", f"{reason}; {EPISODES} episodes would do"), None
    evidence = (
        Evidence("gain in return, in deviations", _z(earned), "above 0"),
        Evidence("gain in the metric, in deviations", _z(done), "above 0 as well"),
        Evidence("share of steps in states met before", recurrence(trained), "below 1"),
    )
    if done.down and -_z(done) > 0.5:
        return found(HACKED, FLIPPED, f"{reason}: worse", *evidence, confidence=0.6)
    return found(HACKED, "reward.hacked", f"{reason}: flat", *evidence, confidence=0.75)


def _z(one: Gain) -> float:
    return one.mean / max(one.spread, 1e-12)


def _camps(trained: Sample, expert: Sample) -> bool:
    """Whether the oracle ends episodes, the trained policy does not, and earns more."""
    earned = gain(trained.returns, expert.returns)
    ends = terminates(expert) > 0.9 and terminates(trained) < 0.1
    return bool(ends and earned and earned.up and expert.lengths.mean() < trained.lengths.mean())


def _found_camping(trained: Sample, expert: Sample) -> Outcome:
    earned = gain(trained.returns, expert.returns)
    reason = f"the trained policy never ends the task, and returns {earned} against the oracle"
    evidence = (
        Evidence("gain in return over the oracle", earned.mean if earned else 0.0, "below 0"),
        Evidence("share of steps in states met before", recurrence(trained), "below 1"),
    )
    return found(HACKED, "reward.hacked", reason, *evidence, confidence=0.8)


def recurrence(sample: Sample, cells: int = 20, gap: int = 10) -> float:
    """Return the share of steps in a state that was met, and left, some steps before.

    Args:
        sample: Of a policy.
        cells: Into which the range of each number of the observations is divided.
        gap: Steps that must lie between.
    """
    seen = sample.observations
    width = np.where(np.ptp(seen, axis=0) > 0, np.ptp(seen, axis=0), 1.0) / cells
    _, labels = np.unique(np.round(seen / width), axis=0, return_inverse=True)
    again = 0
    for episode in sample.episodes:
        last: dict[int, int] = {}
        for t, label in enumerate(labels.ravel()[episode]):
            again += t - last.get(label, t) > gap
            last[label] = t
    return again / max(len(sample), 1)
