"""When findings were first seen, marked in curves."""

from collections.abc import Sequence
from typing import Any

from plumbrl.findings import Finding
from plumbrl.plots.style import FLAG

MARKED = 6
"""Findings that are marked; more would hide the curves."""
_SEVERITIES = ("error", "warning", "info")


def marked(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are marked, the earliest first: errors go before warnings."""
    order = sorted(findings, key=lambda f: (_SEVERITIES.index(f.severity), -f.confidence))
    return sorted(order[:MARKED], key=lambda f: f.step)


def mark(ax: Any, findings: Sequence[Finding]) -> None:
    """Draw a numbered line at the timestep of every finding; a panel without data gets none."""
    if not ax.lines:
        return
    for number, finding in enumerate(findings, start=1):
        ax.axvline(finding.step, color=FLAG, linestyle=(0, (4, 3)), linewidth=1)
        ax.text(
            finding.step, 1.0 - 0.09 * (number - 1), f"{number}", color="white",
            transform=ax.get_xaxis_transform(), fontsize=8, ha="center", va="top",
            fontweight="bold",
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": FLAG, "edgecolor": "none"},
        )  # fmt: skip


def told(findings: Sequence[Finding]) -> str:
    """Return the marks in words; empty if there are none."""
    said = [f"({i}) {f.cause} from step {f.step:,}" for i, f in enumerate(findings, start=1)]
    return f" Marked: {', '.join(said)}." if said else ""
