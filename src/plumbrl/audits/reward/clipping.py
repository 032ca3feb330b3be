"""Rewards that are cut off: many exactly at the extreme, and all others different."""

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME = "rewards are not cut off"
PILED, DIFFERENT = 0.02, 0.5
"""Share of rewards on an extreme, and share of all others that occur once."""
FEWEST = 300


def ask(subject: Subject) -> list[Outcome]:
    """Ask whether rewards pile up at their lowest or highest value."""
    return [check_clipping(subject.random)]


def check_clipping(sample: Sample) -> Outcome:
    """Look for a pile of rewards at an extreme of an otherwise continuous distribution.

    Only steps that end no episode count: a fixed price of failing is no cut. A pile that keeps
    company, such as 0 where nothing is near the goal, is one of another reward as well: only
    extremes to which the others come close are cuts.
    """
    rewards = sample.rewards[~sample.ended]
    if len(rewards) < FEWEST or not np.isfinite(rewards).all():
        return skipped(NAME, f"{len(rewards)} finite rewards; {FEWEST} would do")
    piles = {bound: pile(rewards, bound) for bound in (rewards.min(), rewards.max())}
    text = ", ".join(f"{share:.1%} at {bound:.4g}" for bound, share in piles.items())
    bound = max(piles, key=lambda b: piles[b])
    if piles[bound] < PILED or not _reached(rewards, piles, float(bound)):
        return Check(NAME, "passed", f"of {len(rewards)} rewards, {text}"), None
    if bound == 0:
        return Check(NAME, "inconclusive", f"{text}: cut off, or nothing to pay for"), None
    evidence = Evidence("share of rewards on the extreme", piles[bound], "0", "", f"{bound:.4g}")
    return found(NAME, "reward.clipped", f"of {len(rewards)} rewards, {text}", evidence,
                 confidence=0.8)  # fmt: skip


def pile(rewards: Array, bound: float) -> float:
    """Return the share of rewards that are exactly `bound`."""
    return float(np.mean(rewards == bound))


def _reached(rewards: Array, piles: dict[float, float], bound: float) -> bool:
    """Whether the other rewards are continuous, and come near the extreme without a gap."""
    others = np.sort(rewards[~np.isin(rewards, [b for b, share in piles.items() if share > PILED])])
    if len(others) < 30 or len(np.unique(others)) < DIFFERENT * len(others):
        return False
    nearest = np.abs(others - bound).min()
    return bool(nearest < 0.05 * np.ptp(others) + 1e-12)
