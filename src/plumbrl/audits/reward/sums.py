"""The reward against the sum of its terms: an identity, and the ways in which it is broken."""

from dataclasses import dataclass

import numpy as np

from plumbrl.audits.reward.components import TOTALS, usable_terms
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME = "the reward is the sum of its terms"
TOLERANCE = 1e-4
"""Relative to the largest reward: terms are often float32."""
LAGS = range(1, 51)
FEWEST = 50


@dataclass(frozen=True)
class Relation:
    """How the reward comes from the sum of its terms.

    Attributes:
        cause: In the catalogue; empty where nothing is wrong.
        reason: In a sentence.
        value: Of what the evidence names.
        what: Name of the evidence.
        expected: Of it.
    """

    cause: str
    reason: str
    value: float
    what: str
    expected: str


def ask(subject: Subject) -> list[Outcome]:
    """Ask whether the reward is what its terms say."""
    return [check_sums(subject.random)]


def check_sums(sample: Sample) -> Outcome:
    """Compare the reward with the sum of its terms, and explain the difference exactly."""
    totals = sums(sample)
    if not totals or len(sample) < FEWEST:
        return skipped(NAME, "infos name no terms of the reward, or there are too few steps")
    if not np.isfinite(sample.rewards).all():
        return skipped(NAME, "rewards are not finite")
    relations = [relation for total in totals if (relation := relate(sample, total))]
    known = min(relations, key=lambda r: bool(r.cause), default=None)
    if known is None:
        return _incomplete(sample, totals[0])
    if not known.cause:
        return Check(NAME, "passed", known.reason), None
    evidence = Evidence(known.what, known.value, known.expected, "", f"{len(sample)} steps")
    return found(NAME, known.cause, known.reason, evidence, confidence=0.95)


def sums(sample: Sample) -> list[Array]:
    """Return sums that the reward may be: of all terms, or of totals and what was added to them."""
    whole = {n: v for n, v in sample.terms.items() if n in TOTALS and np.isfinite(v).all()}
    parts = usable_terms(sample)
    found_sums = [np.sum(list(parts.values()), axis=0)] if parts else []
    if whole:
        added = [parts["shaping"]] if "shaping" in parts else []
        found_sums.append(np.sum([*whole.values(), *added], axis=0))
    return [total for total in found_sums if np.ptp(total) > 0]


def relate(sample: Sample, total: Array) -> Relation | None:
    """Return the first relation that holds at every step; None if none does."""
    rewards, inner = sample.rewards, ~sample.terminated
    slack = TOLERANCE * max(np.abs(rewards).max(), np.abs(total).max())
    if _same(rewards, total, slack):
        return Relation("", f"equal at {len(total)} steps", 0, "", "")
    lost = sample.terminated & (np.abs(total) > slack)
    if lost.any() and not rewards[lost].any() and _same(rewards[inner], total[inner], slack):
        reason = f"all {lost.sum()} steps that terminate pay 0, though their terms do not"
        return Relation(
            "reward.terminal-dropped", reason, float(np.abs(total[lost]).mean()),
            "mean of what is lost at an end", "0",
        )  # fmt: skip
    return _scaled(rewards, total, slack) or _clipped(rewards, total, slack) or _late(sample, total)


def _scaled(rewards: Array, total: Array, slack: float) -> Relation | None:
    slope, offset = np.polyfit(total, rewards, 1)
    if not np.allclose(slope * total + offset, rewards, rtol=0, atol=slack) or abs(slope) < 1e-9:
        return None
    text = f"the reward is {slope:.4g} times the sum of its terms, plus {offset:.4g}"
    if slope < 0:
        return Relation("reward.sign-flipped", text, float(slope), "factor", "positive")
    if abs(offset) > 0.05 * np.abs(slope * total).mean():
        return Relation("reward.offset", text, float(offset), "constant per step", "0")
    return Relation("", text, float(slope), "factor", "1")


def _clipped(rewards: Array, total: Array, slack: float) -> Relation | None:
    low, high = rewards.min(), rewards.max()
    beyond = float(np.mean((total < low - slack) | (total > high + slack)))
    if not beyond or low == high or not _same(np.clip(total, low, high), rewards, slack):
        return None
    text = f"the reward is the sum of its terms, clipped to {low:.4g} and {high:.4g}"
    return Relation("reward.clipped", text, beyond, "share of steps that are clipped", "0")


def _late(sample: Sample, total: Array) -> Relation | None:
    slack = TOLERANCE * max(np.abs(sample.rewards).max(), np.abs(total).max())
    for lag in LAGS:
        rows = np.flatnonzero(sample.t >= lag)
        if len(rows) < FEWEST:
            return None
        if _same(sample.rewards[rows], total[rows - lag], slack):
            text = f"the reward is the sum of the terms {lag} steps before"
            return Relation("reward.delayed", text, lag, "delay", "0")
    return None


def _incomplete(sample: Sample, total: Array) -> Outcome:
    gap = float(np.var(sample.rewards - total) / max(np.var(sample.rewards), 1e-300))
    reason = f"what the terms leave has {gap:.1%} of the reward's variance"
    evidence = Evidence("variance left by the terms", gap, "0", "of the reward's")
    named = finding("reward.terms-incomplete", step=0, evidence=(evidence,), confidence=0.6)
    return Check(NAME, "inconclusive", reason), named


def _same(one: Array, other: Array, slack: float) -> bool:
    return bool(np.all(np.abs(one - other) <= slack))
