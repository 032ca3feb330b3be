"""How often a reward says something, and whether it ever does."""

from contextlib import closing
from dataclasses import dataclass

import numpy as np

from plumbrl.audits.budget import Budget
from plumbrl.audits.restore import MakeEnv
from plumbrl.audits.sample import Sample, random_policy
from plumbrl.audits.subject import Subject
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME = "rewards tell good from bad often enough"
RARE = 0.05
"""Share of steps with another reward than usual, below which a reward is called sparse."""
EPISODES, FEWEST = 10, 1000
"""Finished episodes or steps, below both of which nothing is said."""
SECONDS, STEPS = 3.0, 100_000
"""Of a search for the first reward that is not 0."""


@dataclass(frozen=True)
class Told:
    """How often rewards differ from the usual one.

    Attributes:
        usual: The most frequent reward.
        share: Of steps with another, in [0, 1].
        first: Median of the steps to the first other reward in episodes that have one; NaN if none.
        episodes: Share of episodes that have one.
    """

    usual: float
    share: float
    first: float
    episodes: float


def ask(subject: Subject) -> list[Outcome]:
    """Ask how often rewards tell anything; look longer if they never do."""
    sample = subject.random
    if not np.isfinite(sample.rewards).all() or not len(sample):
        return [skipped(NAME, "rewards are not finite, or there are none")]
    good = any(s is not None and np.ptp(s.rewards) > 0 for s in (subject.trained, subject.expert))
    if sample.rewards.any() or good:
        return [check_sparsity(sample)]
    return [check_zero(sample, subject.make_env, subject.seed, subject.budget.part(0.1))]


def told(sample: Sample) -> Told:
    """Count rewards that are not the usual one."""
    values, counts = np.unique(sample.rewards, return_counts=True)
    usual = float(values[counts.argmax()])
    other = np.abs(sample.rewards - usual) > 1e-9 * (1 + abs(usual))
    with_one = [e for e in sample.episodes if other[e].any()]
    first = float(np.median([other[e].argmax() for e in with_one])) if with_one else float("nan")
    return Told(usual, float(other.mean()), first, len(with_one) / len(sample.episodes))


def check_sparsity(sample: Sample) -> Outcome:
    """Say how often rewards tell anything; a constant tells by how long episodes last."""
    seen = told(sample)
    evidence = (
        Evidence("share of steps with another reward than usual", seen.share, f"above {RARE}"),
        Evidence(
            "episodes with one", seen.episodes, "most", "", f"{len(sample.episodes)} episodes"
        ),
        Evidence("steps to the first", seen.first, "few against an episode", "steps"),
    )
    lengths = sample.lengths
    if seen.usual and len(lengths) > 1 and np.ptp(lengths) and sample.terminated.any():
        return Check(NAME, "passed", "returns differ by how long episodes last"), None
    if len(lengths) < EPISODES and len(sample) < FEWEST:
        reason = f"{len(sample)} steps of {len(lengths)} finished episodes are too few"
        return Check(NAME, "inconclusive", reason), None
    if seen.share == 0 and seen.usual > 0:
        reason = f"every step pays {seen.usual:.4g}, and no episode is ended by what is done"
        return found(NAME, "reward.constant", reason, *evidence, confidence=0.7)
    if seen.share >= RARE:
        return Check(NAME, "passed", f"{seen.share:.0%} of steps pay more or less than usual"), None
    reason = (
        f"{seen.share:.2%} of steps pay other than {seen.usual:.4g}, "
        f"in {seen.episodes:.0%} of episodes"
    )
    named = finding("reward.sparse", step=0, evidence=evidence, confidence=0.8)
    return Check(NAME, "inconclusive", f"{reason}; random actions see little of it"), named


def check_zero(sample: Sample, make_env: MakeEnv, seed: int, budget: Budget) -> Outcome:
    """Look for a reward that is not 0, longer than a sample does."""
    steps, first = search(make_env, seed + 10_000, budget)
    total = steps + len(sample)
    if first is None:
        reason = f"all rewards of {total} random steps are 0"
        bound = Evidence("rate of rewards", 0.0, f"at most {3 / total:.2g} at 95 %", "per step")
        return found(NAME, "reward.constant", reason, bound, confidence=0.8)
    evidence = Evidence("random steps to the first reward", total, "few", "steps")
    named = finding("reward.sparse", step=0, evidence=(evidence,), confidence=0.9)
    reason = f"the first reward, {first:.4g}, came after {total} random steps"
    return Check(NAME, "inconclusive", reason), named


def search(make_env: MakeEnv, seed: int, budget: Budget) -> tuple[int, float | None]:
    """Act randomly until a reward is not 0; return the steps taken, and the reward."""
    budget, steps = budget.part(min(1.0, SECONDS / max(budget.left, 1e-9))), 0
    with closing(make_env()) as env:
        policy = random_policy(env, seed)
        while steps < STEPS and not budget.over:
            env.reset(seed=seed)
            seed, ended = seed + 1, False
            while not ended and steps < STEPS and not budget.over:
                _, reward, terminated, truncated, _ = env.step(policy(None))
                ended, steps = bool(terminated or truncated), steps + 1
                if reward:
                    return steps, float(reward)
    return steps, None
