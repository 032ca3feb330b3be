"""What observations show, column by column, under everything that acted."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from plumbrl.audits.environment.columns import (
    FEW,
    at_edges,
    dead,
    duplicates,
    growth,
    spreads,
    steps_of,
)
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
FINITE = "all observations and rewards are finite"
DEAD, EDGES = "every observation changes", "observations do not stick to bounds"
SCALES, LEVELS = "observations have like scales", "observations move continuously"
SAME, GROWTH = "no observation repeats another", "observations stay in a range"
STUCK, ONE_STUCK = 0.35, 0.75
"""Share of values at an edge that is too much: on average over columns, and in any one of them."""
RATIO = 300.0
"""Between standard deviations; healthy robots reach 120."""
MANY = 64
"""Columns from which observations are images or scans, of which single columns say little."""


@dataclass(frozen=True)
class Seen:
    """Rows of observations.

    Attributes:
        values: (N, D).
        t: Step within the episode, (N,).
        names: Of the columns.
        real: Which columns are real numbers, bool (D,).
        bounds: (2, D), as declared.
        policies: How many policies were seen; what random actions alone never move may be alive.
    """

    values: Array
    t: Array
    names: tuple[str, ...]
    real: Array
    bounds: Array
    policies: int = 1

    @classmethod
    def of(cls, samples: Iterable[Sample | None]) -> "Seen":
        """Join what several policies saw."""
        known = [s for s in samples if s is not None and len(s)]
        first = known[0]
        return cls(
            np.concatenate([s.next_observations for s in known]),
            np.concatenate([s.t for s in known]),
            first.names,
            np.array([kind == "f" for kind in first.kinds], dtype=bool),
            first.bounds,
            len(known),
        )

    def called(self, which: Array) -> str:
        """Return the names of columns, at most five."""
        places = np.flatnonzero(which)
        more = f" and {len(places) - 5} more" if len(places) > 5 else ""
        return ", ".join(self.names[k] or "0" for k in places[:5]) + more


def ask_observations(subject: Subject) -> list[Outcome]:
    """Return what is wrong with single columns of the observations."""
    samples = (subject.random, subject.trained, subject.expert)
    finite = check_finite([s for s in samples if s is not None])
    seen = Seen.of(samples) if any(s is not None and len(s) for s in samples) else None
    if seen is None or len(seen.values) < FEW:
        count = 0 if seen is None else len(seen.values)
        return [finite, skipped(DEAD, f"{count} steps were seen; {FEW} are needed")]
    if not seen.real.any():
        return [finite, skipped(DEAD, "observations are whole numbers, not measurements")]
    looks = (check_dead, check_edges, check_scales, check_levels, check_same, check_growth)
    return [finite, *(look(seen) for look in looks)]


def check_finite(samples: list[Sample]) -> Outcome:
    """Look for NaN and infinity in everything that was seen, which is more than one look takes."""
    rows = np.concatenate([~np.isfinite(s.next_observations).all(axis=1) for s in samples])
    rewards = np.concatenate([~np.isfinite(s.rewards) for s in samples])
    reason = f"{rows.sum()} observations and {rewards.sum()} rewards of {len(rows)} are not"
    if not rows.any() and not rewards.any():
        return Check(FINITE, "passed", reason), None
    cause = "environment.observation-not-finite" if rows.any() else "reward.not-finite"
    wrong = rows if rows.any() else rewards
    evidence = Evidence("steps with a number that is none", int(wrong.sum()), "0")
    return found(FINITE, cause, reason, evidence, step=int(np.argmax(wrong)))


def check_dead(seen: Seen) -> Outcome:
    """Look for columns that never change; of images and scans, for parts that never change."""
    still = dead(seen.values) & seen.real & ~(seen.bounds[0] == seen.bounds[1])
    if len(seen.names) > MANY:
        still &= _whole_parts(still, seen.names)
    count, steps = int(still.sum()), len(seen.values)
    if not count:
        reason = f"{seen.real.sum()} columns of real numbers change within {steps} steps"
        return Check(DEAD, "passed", reason), None
    reason = f"never changed in {steps} steps: {seen.called(still)}"
    evidence = Evidence("columns that never change", count, "0", "", f"{steps} steps")
    confidence = 0.9 if seen.policies > 1 else 0.75
    return found(DEAD, "environment.observation-dead", reason, evidence, confidence=confidence)


def _whole_parts(still: Array, names: tuple[str, ...]) -> Array:
    part = np.array([name.rpartition("/")[0] for name in names])
    return np.array([bool(still[part == p].all()) for p in part])


def check_same(seen: Seen) -> Outcome:
    """Look for columns that are always equal to another."""
    if len(seen.names) > MANY:
        return skipped(SAME, f"{len(seen.names)} columns: neighbours of images may well be equal")
    pairs = [(a, b) for a, b in duplicates(seen.values) if seen.real[b]]
    if not pairs:
        return Check(SAME, "passed", f"{len(seen.names)} columns differ"), None
    told = ", ".join(f"{seen.names[b]} = {seen.names[a]}" for a, b in pairs[:5])
    evidence = Evidence("columns that repeat another", len(pairs), "0")
    reason = f"always equal: {told}"
    return found(SAME, "environment.observation-repeated", reason, evidence, confidence=0.7)


def check_edges(seen: Seen) -> Outcome:
    """Look for values that lie exactly at the largest or smallest that is ever seen."""
    shares = at_edges(seen.values[:, seen.real])
    mean, worst = float(shares.mean()), float(shares.max())
    reason = f"{mean:.0%} of values lie exactly at an edge of what was seen; at most {worst:.0%}"
    if mean < STUCK and worst < ONE_STUCK:
        return Check(EDGES, "passed", f"{reason} of a column"), None
    stuck = np.zeros(len(seen.names), dtype=bool)
    stuck[seen.real] = shares > min(STUCK, worst * 0.99)
    evidence = Evidence("share of values at an edge", max(mean, worst), f"below {STUCK}")
    told = f"{reason} ({seen.called(stuck)})"
    cause = "environment.observation-saturated"
    return found(EDGES, cause, told, evidence, confidence=0.9)


def check_scales(seen: Seen) -> Outcome:
    """Compare the spreads of the columns that change."""
    spread = np.where(seen.real, spreads(seen.values), 0)
    moving = spread > 1e-9
    if moving.sum() < 2:
        return skipped(SCALES, "fewer than two columns change")
    large, small = spread.max(), spread[moving].min()
    ratio = float(large / small)
    reason = f"standard deviations from {small:.3g} to {large:.3g}, {ratio:.0f} times as large"
    if ratio < RATIO:
        return Check(SCALES, "passed", reason), None
    far = moving & (np.abs(np.log(np.where(moving, spread, 1) / np.median(spread[moving]))) > 4)
    evidence = Evidence("ratio of standard deviations", ratio, f"below {RATIO:.0f}")
    told = f"{reason}; far from the others: {seen.called(far) or 'none alone'}"
    cause = "environment.observation-scales-differ"
    return found(SCALES, cause, told, evidence, confidence=0.8)


def check_levels(seen: Seen) -> Outcome:
    """Look for real numbers that take few values, evenly spaced."""
    moving = seen.real & ~dead(seen.values)
    if not moving.any():
        return skipped(LEVELS, "nothing changes")
    steps = np.zeros(len(seen.names))
    steps[moving] = steps_of(seen.values[:, moving])
    stepped = steps > 0
    share = float(stepped.sum() / moving.sum())
    reason = f"{stepped.sum()} of {moving.sum()} changing columns take few values, evenly spaced"
    if share < 0.5:
        return Check(LEVELS, "passed", reason), None
    evidence = Evidence("share of columns with levels", share, "below 0.5")
    told = f"{reason}: {seen.called(stepped)} in steps of {np.median(steps[stepped]):.3g}"
    cause = "environment.observation-quantised"
    whole = np.allclose(steps[stepped], np.round(steps[stepped]))
    if whole and not outside(seen, stepped):
        return Check(LEVELS, "inconclusive", f"{told}; they may be counts or places"), None
    return found(LEVELS, cause, told, evidence, confidence=0.85)


def outside(seen: Seen, which: Array) -> bool:
    """Return whether any of these columns leaves its declared bounds."""
    values, (low, high) = seen.values[:, which], seen.bounds[:, which]
    return bool(np.any((values < low) | (values > high)))


def check_growth(seen: Seen) -> Outcome:
    """Say which columns grow with time and have no declared bound; that is worth knowing only."""
    open_ended = seen.real & ~np.isfinite(seen.bounds).all(axis=0)
    grows = open_ended & (growth(seen.values, seen.t) > 1.6) & (seen.t.max(initial=0) >= 100)
    reason = f"{open_ended.sum()} columns have no declared bound; {grows.sum()} grow with time"
    if not grows.any():
        return Check(GROWTH, "passed", reason), None
    evidence = Evidence("columns that grow with time", int(grows.sum()), "0")
    named = finding(
        "environment.observation-grows", step=0, evidence=(evidence,), confidence=0.5
    )  # fmt: skip
    return Check(GROWTH, "passed", f"{reason}: {seen.called(grows)}"), named
