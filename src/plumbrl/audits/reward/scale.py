"""How large returns are, and how much they differ; as the trainer's value function meets them."""

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME = "returns have a size that can be learned"
LARGE, SMALL = 3500.0, 0.15
"""Largest discounted return. Healthy environments with random actions: 1 (frozen lake, a single
goal) to 2,300 (cliff walking); a published rule of -10 to 10 would blame most of them."""


def ask(subject: Subject) -> list[Outcome]:
    """Ask how large discounted returns are."""
    return [check_scale(subject.random, subject.gamma)]


def returns_to_go(sample: Sample, gamma: float) -> Array:
    """Return the discounted reward from each step to the end of what was seen of its episode."""
    following, to_go = 0.0, np.zeros(len(sample))
    last = np.zeros(len(sample), bool)
    last[[e.stop - 1 for e in sample.episodes]] = True
    for t in reversed(range(len(sample))):
        following = to_go[t] = sample.rewards[t] + (0.0 if last[t] else gamma * following)
    return to_go


def check_scale(sample: Sample, gamma: float) -> Outcome:
    """Compare the largest discounted return with what networks follow easily.

    Args:
        sample: Random actions; what a good policy collects is rarely a hundred times as much.
        gamma: Discount of the trainer.
    """
    if not np.isfinite(sample.rewards).all() or not sample.rewards.any():
        return skipped(NAME, "rewards are not finite, or all 0")
    to_go = returns_to_go(sample, gamma)
    largest, spread = float(np.abs(to_go).max()), float(to_go.std())
    snr = abs(sample.rewards.mean()) / max(sample.rewards.std(), 1e-300)
    reason = (
        f"discounted returns are {to_go.min():.4g} to {to_go.max():.4g}, deviation {spread:.3g}"
    )
    evidence = (
        Evidence("largest discounted return", largest, f"{SMALL} to {LARGE:g}", "", f"{gamma=:g}"),
        Evidence("deviation of discounted returns", spread, "0.1 to 500"),
        Evidence("mean reward over its deviation", snr, "any: a constant changes it at will"),
    )
    if largest > LARGE:
        return found(NAME, "reward.too-large", reason, *evidence, confidence=0.8)
    if largest < SMALL:
        return found(NAME, "reward.too-small", reason, *evidence, confidence=0.8)
    return Check(NAME, "passed", reason), None
