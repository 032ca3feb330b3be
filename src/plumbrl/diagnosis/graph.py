"""Causes before consequences: what a finding explains is told after it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from functools import cache

from plumbrl.findings import Finding
from plumbrl.shipped import table as shipped_table

SLACK = 0.05
"""A cause may be noticed later than what follows from it, by this share of the steps seen."""
EXPLAINED = 0.3
"""What is left of the confidence in a finding that another one explains."""
SYMPTOMS = {"task.no-gain", "task.no-better-than-random", "task.below-baseline", "policy.collapsed"}
"""What is to be explained: told after whatever might be its cause."""
ORDER = {"error": 0, "warning": 1, "info": 2}


@cache
def edges() -> dict[str, tuple[str, ...]]:
    """Return what each cause explains, as patterns of ids."""
    return {
        cause: tuple(patterns)
        for cause, patterns in shipped_table("plumbrl.diagnosis", "graph.yaml").items()
    }


def ranked(findings: Sequence[Finding], steps: float) -> list[Finding]:
    """Return findings, roots first; consequences say what they follow from.

    Roots are ordered by severity, their own or that of what follows from them, and confidence, then
    by when they were seen first. What is certain stays as it is, right after its cause.

    Args:
        findings: One per cause.
        steps: Timesteps of the whole run, for how much later a cause may be noticed.
    """
    explained = _explained(findings, steps)
    roots = [f for f in findings if not explained[f.cause] or f.confidence == 1]
    rest = [f for f in findings if f not in roots]
    roots.sort(key=lambda f: _first_to_last(f, findings, explained))
    rest.sort(key=lambda f: (len(_above(f.cause, explained)), f.step))
    return [*roots, *(_consequence(f, explained[f.cause]) for f in rest)]


def _explained(findings: Sequence[Finding], steps: float) -> dict[str, str]:
    """Return what explains each finding; of those that explain each other, one is the root."""
    found = {f.cause: _explains(findings, f, steps) for f in findings}
    for f in sorted(findings, key=lambda f: (f.step, ORDER[f.severity], -f.confidence)):
        if f.cause in _above(f.cause, found):
            found[f.cause] = ""
    return found


def _above(cause: str, explained: dict[str, str]) -> list[str]:
    """Return what explains a cause, what explains that, and so on; each once."""
    above: list[str] = []
    while (cause := explained[cause]) and cause not in above:
        above.append(cause)
    return above


def _explains(findings: Iterable[Finding], found: Finding, steps: float) -> str:
    """Return the earliest finding that explains another, if it is no consequence of that one."""
    for cause in sorted(findings, key=_when):
        early = cause.step <= found.step + SLACK * steps
        mutual = _covers(found.cause, cause.cause) and found.step < cause.step
        if cause is not found and early and not mutual and _follows(found, cause.cause):
            return cause.cause
    return ""


def _follows(found: Finding, cause: str) -> bool:
    """A bug is no matter of settings: what is certain has to be named to be explained."""
    if found.confidence == 1:
        return found.cause in edges().get(cause, ())
    return _covers(cause, found.cause)


def _first_to_last(
    found: Finding, findings: Iterable[Finding], explained: dict[str, str]
) -> tuple[bool, bool, int, int, int, float, int]:
    """Hints last, symptoms after causes; then by severity, confidence, and time."""
    above = _above(found.cause, explained)
    first = above[-1] if above else found.cause
    family = [f for f in findings if first in (f.cause, *_above(f.cause, explained))]
    gravest = min(ORDER[f.severity] for f in family)
    hint, symptom = found.severity == "info", found.cause in SYMPTOMS
    severity = ORDER[found.severity]
    return hint, symptom, gravest, len(above), severity, -found.confidence, found.step


def _covers(cause: str, consequence: str) -> bool:
    return any(fnmatch(consequence, pattern) for pattern in edges().get(cause, ()))


def _when(found: Finding) -> int:
    return found.step


def _consequence(found: Finding, cause: str) -> Finding:
    return replace(
        found,
        severity="info",
        confidence=round(found.confidence * EXPLAINED, 3),
        summary=f"Follows from {cause}: {found.summary[:1].lower()}{found.summary[1:]}",
    )
