"""The vocabulary that every room shares: evidence, findings, checks, reports."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal

CheckVerdict = Literal["passed", "failed", "skipped", "inconclusive"]
RunVerdict = Literal[
    "BROKEN",
    "UNHEALTHY",
    "NOT_LEARNING",
    "NOT_CONVERGED",
    "OVERFITTING",
    "NOT_EXPLORING",
    "HEALTHY",
    "INCONCLUSIVE",
]
Severity = Literal["error", "warning", "info"]
Component = Literal[
    "environment",
    "reward",
    "data",
    "policy",
    "value",
    "optimiser",
    "network",
    "configuration",
    "evaluation",
    "task",
]


ACCUSING = ("BROKEN", "UNHEALTHY", "NOT_LEARNING", "OVERFITTING", "NOT_EXPLORING")
"""Verdicts that say that something is wrong; the others leave it open, or say that nothing is."""
NOT_FINITE = ("reward.not-finite", "environment.observation-not-finite", "optimiser.not-finite")
"""Causes of numbers that are none, by where one was seen first."""


@dataclass(frozen=True)
class Evidence:
    """A measured number and what it was compared with.

    Attributes:
        name: What was measured.
        value: The number.
        expected: What a healthy run shows, in words.
        unit: Unit of `value`; empty for a pure number.
        where: Where it was read.
    """

    name: str
    value: float
    expected: str
    unit: str = ""
    where: str = ""


@dataclass(frozen=True)
class Finding:
    """What a failed check says: the cause, how sure we are, on what grounds, and what to do."""

    cause: str
    component: Component
    severity: Severity
    confidence: float
    """Probability that the cause is right, in [0, 1]; 1 for an identity that does not hold."""
    step: int
    """Timestep at which it was first seen."""
    evidence: tuple[Evidence, ...]
    summary: str
    """What it usually means, in a sentence."""
    remedy: str
    reference: str = ""
    change: dict[str, str] = field(default_factory=dict)
    """The remedy as settings and what becomes of them: a value, or ``x 10`` for a factor."""


@dataclass(frozen=True)
class Check:
    """Something that was looked at; those that stayed silent are listed too."""

    name: str
    verdict: CheckVerdict
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What every command that judges returns and prints."""

    subject: str
    verdict: RunVerdict
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()
    next_step: str = ""
    """What to do now, best a command; empty if there is nothing to suggest."""
    schema: int = field(default=1, kw_only=True)

    def to_json(self, indent: int | None = 2) -> str:
        """Return the report as JSON; numbers that are none become null."""
        return json.dumps(finite(asdict(self)), indent=indent)

    @property
    def exit_code(self) -> int:
        """3 for a verdict that accuses, 0 for HEALTHY; for the others 3 when a check failed."""
        if self.verdict in ACCUSING or self.verdict == "HEALTHY":
            return 3 if self.verdict in ACCUSING else 0
        return 3 if any(c.verdict == "failed" for c in self.checks) else 0


def finite(value: Any) -> Any:
    """Replace what JSON cannot say (NaN, infinities) by None, deep inside."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def most_severe(findings: Iterable[Finding]) -> Finding | None:
    """Return the finding to read first: errors before warnings, then the most certain."""
    order = {"error": 0, "warning": 1, "info": 2}
    return min(findings, key=lambda f: (order[f.severity], -f.confidence), default=None)
