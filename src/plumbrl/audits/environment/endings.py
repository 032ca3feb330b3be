"""When episodes end, judged by lengths and last observations: limits, failures, and neither."""

from dataclasses import dataclass

import numpy as np

from plumbrl.audits.environment.regression import (
    area_under_curve,
    features,
    folds,
    predicted,
    products,
    standardised,
)
from plumbrl.audits.sample import Sample
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
LIMIT, FAILURE = "limits are reported as truncated", "failures are reported as terminated"
ENDS, REASON, SHORT = "episodes end", "ends depend on what is seen", "episodes last"
ENDLESS = 20_000
"""Steps without an end after which an episode without a known limit counts as endless."""
EXPLAINED = 0.75
"""Probability from which terminations count as explained; healthy environments are above 0.9."""
FEW_ENDS = 30
"""Terminations below which nothing is said of what they depend on."""


@dataclass(frozen=True)
class Endings:
    """The finished episodes of one policy.

    Attributes:
        lengths: (E,).
        terminated: bool (E,).
        last: Last observations, (E, D).
        told: Whether an info said why, bool (E,).
    """

    lengths: Array
    terminated: Array
    last: Array
    told: Array

    @classmethod
    def of(cls, sample: Sample) -> "Endings":
        """Return those of a sample."""
        ends = np.array([e.stop - 1 for e in sample.finished], dtype=int)
        told = np.array([int(sample.episode[k]) in sample.causes for k in ends], dtype=bool)
        return cls(
            sample.t[ends] + 1, sample.terminated[ends], sample.next_observations[ends], told
        )


def check_limit(samples: list[Sample], limit: int | None) -> Outcome:
    """Look for terminations at one length, whatever was seen: that is a clock."""
    for sample in samples:
        ends = Endings.of(sample)
        if not ends.terminated.any():
            continue
        length = int(ends.lengths.max())
        there = ends.lengths == length
        count, near = int((there & ends.terminated).sum()), _just_before(ends.lengths, length)
        known = length == limit
        enough = count >= (3 if known else 5) and (known or length >= 20)
        if not enough or count < 0.9 * there.sum() or count < 3 * near or _alike(ends.last[there]):
            continue
        reason = f"{count} of {len(ends.lengths)} episodes terminate at step {length} exactly"
        if _clock_is_seen(sample):
            told = f"{reason}; the observation holds a clock, so that may be meant"
            return Check(LIMIT, "inconclusive", told), None
        evidence = Evidence("terminations at one length", count, f"about {near}", "", "episodes")
        cause = "environment.limit-reported-as-terminal"
        return found(LIMIT, cause, reason, evidence, confidence=0.95 if known else 0.85)
    return _no_clock(samples, limit)


def _no_clock(samples: list[Sample], limit: int | None) -> Outcome:
    truncated = sum(int(s.truncated.sum()) for s in samples)
    longest = max((int(s.lengths.max(initial=0)) for s in samples), default=0)
    if truncated:
        return Check(
            LIMIT, "passed", f"{truncated} truncations; no terminations at one length"
        ), None
    reason = f"no episode reached a limit{f' of {limit} steps' if limit else ''}; "
    told = f"{reason}the longest had {longest}; an oracle or a trained policy may decide"
    return Check(LIMIT, "inconclusive", told), None


def _just_before(lengths: Array, length: int) -> int:
    return int(((lengths >= 0.9 * length) & (lengths < length)).sum())


def _alike(last: Array) -> bool:
    """Whether episodes end in one and the same place, such as a goal."""
    return len(np.unique(np.round(last, 6), axis=0)) < 0.7 * len(last)


def _clock_is_seen(sample: Sample) -> bool:
    t = sample.t - sample.t.mean()
    values = sample.observations - sample.observations.mean(axis=0)
    sizes = np.sqrt((values**2).sum(axis=0) * (t**2).sum())
    with np.errstate(all="ignore"):
        return bool(np.nanmax(np.abs(t @ values) / sizes, initial=0) > 0.999)


def check_failure(samples: list[Sample]) -> Outcome:
    """Look for truncations at many lengths that depend on the state: those are no limits."""
    for sample in samples:
        ends = Endings.of(sample)
        cut = ~ends.terminated & ~ends.told
        lengths = ends.lengths[cut]
        if len(lengths) < 10 or len(np.unique(lengths)) < 5 or not _spread_out(lengths):
            continue
        score = foreseen(sample, sample.truncated)
        reason = (
            f"{len(lengths)} truncations at {len(np.unique(lengths))} lengths, "
            f"{lengths.min()} to {lengths.max()}"
        )
        if score is None or score < 0.8 or ends.terminated.sum() > cut.sum():
            return Check(FAILURE, "inconclusive", f"{reason}; they may be limits that vary"), None
        swapped = ends.terminated.any() and np.all(ends.lengths[ends.terminated] >= lengths.max())
        cause = "end-flags-swapped" if swapped else "failure-reported-as-truncated"
        evidence = Evidence("how well what is seen tells truncations", score, "about 0.5")
        told = f"{reason}; what is seen tells them from other steps"
        return found(FAILURE, f"environment.{cause}", told, evidence, confidence=0.85)
    return Check(FAILURE, "passed", "no truncations at many lengths without a stated cause"), None


def _spread_out(lengths: Array) -> bool:
    return bool(np.mean(lengths == lengths.max()) < 0.6 and lengths.std() > 0.05 * lengths.mean())


def foreseen(sample: Sample, ends: Array, seed: int = 0) -> float | None:
    """Return how well ends are told from other steps by what is seen and done: 0.5 not, 1 surely.

    Args:
        sample: Transitions.
        ends: Which of them are ends, bool (N,).
        seed: Of folds and features.

    Returns:
        The area under the curve on episodes that were not fitted; None for fewer than `FEW_ENDS`
        ends or other steps.
    """
    finite = np.isfinite(sample.next_observations).all(axis=1)
    rng = np.random.default_rng(seed)
    others = rng.permutation(np.flatnonzero(~ends & finite))[:3000]
    rows = np.sort(np.concatenate([np.flatnonzero(ends & finite)[:1000], others]))
    count = int(ends[rows].sum())
    if min(count, len(rows) - count) < FEW_ENDS:
        return None
    seen = standardised(np.hstack([sample.next_observations, sample.actions])[rows])
    inputs = np.hstack([features(seen, seed), products(seen)])
    target = ends[rows].astype(float)[:, None]
    scores = predicted(inputs, target, folds(sample.episode[rows], seed))[:, 0]
    return area_under_curve(scores, ends[rows])


def check_reason(sample: Sample) -> Outcome:
    """Look for terminations that nothing that is seen explains."""
    if "f" not in sample.kinds or len(sample.names) > 64:
        return skipped(REASON, "observations are cells, images or scans, not a few measurements")
    score = foreseen(sample, sample.terminated)
    if score is None:
        return skipped(REASON, f"fewer than {FEW_ENDS} terminations or other steps were seen")
    reason = f"what is seen tells terminations from other steps with probability {score:.2f}"
    if score > EXPLAINED:
        return Check(REASON, "passed", reason), None
    evidence = Evidence("how well what is seen tells terminations", score, "above 0.8")
    return found(REASON, "environment.end-unexplained", reason, evidence, confidence=0.8)


def check_ends_at_all(sample: Sample, limit: int | None) -> Outcome:
    """Look for episodes that go on for ever, or beyond their limit."""
    lengths = np.array([e.stop - e.start for e in sample.episodes])
    longest = int(lengths.max(initial=0))
    if limit and longest > limit:
        evidence = Evidence("steps of the longest episode", longest, f"at most {limit}", "step")
        told = f"an episode went on for {longest} steps beyond a limit of {limit}"
        return found(ENDS, "environment.end-not-reported", told, evidence)
    if len(sample.finished):
        return Check(ENDS, "passed", f"{len(sample.finished)} did, {longest} steps at most"), None
    reason = f"none did within {longest} steps of random actions, and no limit is declared"
    if longest < ENDLESS:
        return Check(ENDS, "inconclusive", f"{reason}; a larger budget decides"), None
    evidence = Evidence("steps without an end", longest, f"below {ENDLESS}", "step")
    return found(ENDS, "environment.never-ends", reason, evidence, confidence=0.9)


def check_short(samples: list[Sample]) -> Outcome:
    """Look for episodes that are over as soon as they have begun, whoever acts."""
    known = [s.lengths for s in samples if len(s.lengths) >= 5]
    if not known:
        return skipped(SHORT, "fewer than five episodes ended")
    medians = [float(np.median(lengths)) for lengths in known]
    best = max(float(lengths.mean()) for lengths in known)
    reason = f"median length {', '.join(f'{m:g}' for m in medians)} steps"
    evidence = Evidence("mean length of episodes", best, "3 or more", "step")
    if best >= 3:
        return Check(SHORT, "passed", reason), None
    if "f" not in samples[0].kinds:
        named = finding(
            "environment.episodes-are-short", step=0, evidence=(evidence,), confidence=0.5
        )  # fmt: skip
        return Check(SHORT, "inconclusive", f"{reason}, as games of cards or choice have"), named
    return found(SHORT, "environment.episodes-end-at-once", reason, evidence, confidence=0.8)
