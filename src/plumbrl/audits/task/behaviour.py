"""What the trained policy does: its actions, how its episodes end, and what noise costs it.

All of it informs; only actions that jump from bound to bound, or that never change though nothing
is gained, are accused.
"""

from collections import Counter
from contextlib import closing

import numpy as np
from gymnasium import spaces

from plumbrl.audits.sample import Collector, Sample
from plumbrl.audits.subject import Subject
from plumbrl.audits.task.gap import FEWEST, clearly_better
from plumbrl.findings import Check, Evidence
from plumbrl.metrics.gap import difference_interval
from plumbrl.metrics.policy import action_roughness, saturation
from plumbrl.metrics.statistics import rate_interval
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
ACTIONS, ENDS = "actions of the trained policy", "how its episodes end"
NOISE = "deterministic against stochastic actions"
SATURATED, CHATTERS = 0.9, 0.8
"""Share of actions at a bound in every dimension, and mean change over half the range: of a policy
that jumps to the other bound at two steps in five."""
EPISODES = 10


def ask_behaviour(subject: Subject) -> list[Outcome]:
    """Describe the trained policy."""
    trained = subject.trained
    if trained is None or not len(trained):
        return [skipped(name, "needs a trained policy") for name in (ACTIONS, ENDS, NOISE)]
    gains = clearly_better(trained, subject.random)
    return [
        judge_actions(trained, subject.spaces[1], gains),
        describe_ends(trained),
        *ask_noise(subject, trained),
    ]


def judge_actions(sample: Sample, space: spaces.Space, gains: bool) -> Outcome:
    """Judge what actions are taken.

    Args:
        sample: Of the trained policy.
        space: Of actions.
        gains: Whether it is clearly better than random actions.
    """
    if isinstance(space, spaces.Box):
        return _continuous(sample, space)
    if isinstance(space, spaces.Discrete) and space.n > 1:
        return _discrete(sample, gains)
    spread = ", ".join(f"{s:.2g}" for s in sample.actions.std(axis=0)[:6])
    return Check(ACTIONS, "passed", f"standard deviations {spread}"), None


def _continuous(sample: Sample, space: spaces.Box) -> Outcome:
    low, high = space.low.astype(float).ravel(), space.high.astype(float).ravel()
    if not (np.isfinite(low) & np.isfinite(high)).any():
        return skipped(ACTIONS, "no action has bounds")
    actions = np.clip(sample.actions, low, high)
    share = saturation(actions, low, high)
    starts = sample.t[:, None] == 0
    change = 2 * action_roughness(actions[:, None], starts, low, high)
    least = float(np.nanmin(share))
    reason = (
        f"at a bound in {least:.0%} to {np.nanmax(share):.0%} of steps by dimension, change from "
        f"step to step {change:.2f} of half the range (random actions 0.67)"
    )
    if least <= SATURATED or not change >= CHATTERS:
        return Check(ACTIONS, "passed", reason), None
    evidence = (
        Evidence("share of actions at a bound, least dimension", least, "below 0.9"),
        Evidence("mean change over half the range", change, "below 0.8"),
    )
    return found(ACTIONS, "policy.chatters", reason, *evidence, confidence=0.7)


def _discrete(sample: Sample, gains: bool) -> Outcome:
    counts = Counter(sample.actions[:, 0].astype(int).tolist()).most_common()
    shares = ", ".join(f"{action}: {n / len(sample):.0%}" for action, n in counts[:6])
    reason = f"shares by action {shares}; {len(counts)} of them are used"
    if len(counts) > 1 or gains or len(sample.finished) < EPISODES:
        return Check(ACTIONS, "passed", reason), None
    evidence = Evidence("actions in use", 1, "more than 1")
    reason = f"{reason}, and no more is gained than with random ones"
    return found(ACTIONS, "policy.always-the-same", reason, evidence, confidence=0.6)


def describe_ends(sample: Sample) -> Outcome:
    """Say by what episodes end, with 95 % intervals of the rates."""
    total = len(sample.finished)
    if not total:
        return Check(
            ENDS, "inconclusive", f"none of its episodes ended in {len(sample):,} steps"
        ), None
    ends = Counter(_end(sample, k) for k in range(total))
    told = [f"{end} {_rate(n, total)}" for end, n in ends.most_common()]
    return Check(ENDS, "passed", f"{total} episodes: {'; '.join(told)}"), None


def _end(sample: Sample, k: int) -> str:
    last = sample.finished[k].stop - 1
    kind = "terminated" if sample.terminated[last] else "truncated"
    cause = sample.causes.get(int(sample.episode[last]))
    return f"{kind} by {cause}" if cause else kind


def _rate(count: int, total: int) -> str:
    rate = rate_interval(count, total)
    return f"{rate.estimate:.0%} [{rate.low:.0%}, {rate.high:.0%}]"


def ask_noise(subject: Subject, trained: Sample) -> list[Outcome]:
    """Compare returns with those of the policy's attribute `stochastic`, a policy that samples."""
    assert subject.policy is not None
    with closing(subject.make_env()) as env:
        noisy = getattr(subject.policy(env), "stochastic", None)
        if noisy is None:
            return [skipped(NOISE, "the policy has no attribute `stochastic` that samples actions")]
        collector = Collector(env, subject.seed, noisy)
        sample = collector.run(10_000, EPISODES, subject.budget.part(0.1)).sample()
    return [compare_noise(trained.returns, sample.returns)]


def compare_noise(deterministic: Array, stochastic: Array) -> Outcome:
    """Say how much more deterministic actions return, with a 95 % interval."""
    fewest = min(len(deterministic), len(stochastic))
    if fewest < FEWEST or not np.isfinite([*deterministic, *stochastic]).all():
        return Check(NOISE, "inconclusive", f"{fewest} episodes ended, {FEWEST} are needed"), None
    gap = difference_interval(deterministic, stochastic)
    reason = f"deterministic minus stochastic return is {gap}"
    return Check(NOISE, "passed", reason), None
