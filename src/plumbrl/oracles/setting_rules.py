"""A rule over settings: what it needs to know, and what it says."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped
from plumbrl.snapshots.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """What is wrong with settings.

    Attributes:
        cause: Id in the catalogue.
        reason: In a sentence.
        evidence: The number that shows it.
        confidence: Below 1 where the setting may be meant.
    """

    cause: str
    reason: str
    evidence: Evidence
    confidence: float = 1.0


@dataclass(frozen=True)
class Rule:
    """One cross-check.

    Attributes:
        name: Of the check.
        needs: Settings that must be known.
        look: Returns the problem, if there is one.
    """

    name: str
    needs: tuple[str, ...]
    look: Callable[[Settings], Problem | None]

    def __call__(self, settings: Settings) -> Outcome:
        """Apply the rule."""
        missing = [need for need in self.needs if getattr(settings, need) is None]
        if missing:
            return skipped(self.name, f"not known, or not used: {', '.join(missing)}")
        problem = self.look(settings)
        if problem is None:
            return Check(self.name, "passed"), None
        check, named = found(
            self.name, problem.cause, problem.reason, problem.evidence,
            confidence=problem.confidence,
        )  # fmt: skip
        if named is not None and named.severity != "error":  # what may be meant is in doubt only
            check = replace(check, verdict="inconclusive")
        return check, named


def known(value: T | None) -> T:
    """Return a setting that the rule needs, and so is known."""
    assert value is not None
    return value
