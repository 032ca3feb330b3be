"""Compare what is stored with what it must be, and say how much differs."""

from dataclasses import dataclass

import numpy as np

from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence, Finding

Array = np.ndarray
Outcome = tuple[Check, Finding | None]


@dataclass(frozen=True)
class Difference:
    """How two arrays differ.

    Attributes:
        wrong: Where they differ by more than the tolerance, or one of them is not finite.
        worst: Largest finite difference; NaN if there is none.
    """

    wrong: Array
    worst: float

    @property
    def share(self) -> float:
        """Share of entries that are wrong, in [0, 1]."""
        return float(self.wrong.mean()) if self.wrong.size else 0.0


def difference(stored: Array, expected: Array, tolerance: float) -> Difference:
    """Compare two arrays of the same shape.

    Args:
        stored: What the trainer will use.
        expected: What it must be.
        tolerance: Largest difference allowed, absolute below 1 and relative above.
    """
    with np.errstate(invalid="ignore"):  # infinity minus infinity is a mismatch too
        gap = np.abs(stored.astype(np.float64) - expected)
    bound = tolerance * np.maximum(1.0, np.abs(expected))
    wrong = ~(gap <= bound) | ~np.isfinite(stored) | ~np.isfinite(expected)
    worst = float(np.nanmax(gap)) if np.isfinite(gap).any() else float("nan")
    return Difference(wrong, worst)


def passed(name: str, count: int, worst: float) -> Outcome:
    """Return the outcome of a comparison without a mismatch."""
    return Check(name, "passed", f"{count} compared, largest difference {worst:.1e}"), None


def failed(
    name: str, cause: str, gap: Difference, *, what: str, tolerance: float, step: int, update: int
) -> Outcome:
    """Return the outcome of a comparison with mismatches.

    Args:
        name: Of the check.
        cause: Id in the catalogue.
        gap: The comparison.
        what: What was compared, in the plural.
        tolerance: That was allowed.
        step: Timestep of the rollout.
        update: Index of the update.
    """
    where = f"update {update}"
    evidence = (
        Evidence(f"share of wrong {what}", gap.share, "0", "", where),
        Evidence("largest difference", gap.worst, f"at most {tolerance:g}", "", where),
    )
    reason = f"{gap.share:.1%} of {gap.wrong.size} {what} differ, at most by {gap.worst:.3g}"
    return Check(name, "failed", reason), finding(cause, step=step, evidence=evidence)


def found(
    name: str, cause: str, reason: str, *evidence: Evidence, step: int = 0, confidence: float = 1.0
) -> Outcome:
    """Return the outcome of a check that failed otherwise than by comparing two arrays.

    Args:
        name: Of the check.
        cause: Id in the catalogue.
        reason: What was seen, in a sentence.
        evidence: What was measured.
        step: Timestep at which it was first seen.
        confidence: Probability that the cause is right.
    """
    named = finding(cause, step=step, evidence=evidence, confidence=confidence)
    return Check(name, "failed", reason), named


def skipped(name: str, reason: str) -> Outcome:
    """Return the outcome of a check that could not look."""
    return Check(name, "skipped", reason), None
