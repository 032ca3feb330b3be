"""What the probes found, on the console."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from plumbrl.report.console import MARKS, print_findings, speak_plainly

CLEAR = 0.5
"""Probability from which on one mistake is named alone."""
WIDE = 100
"""Columns from which on the table says what each probe isolates."""


def print_probes(report: Any, console: Console) -> None:
    """Print a probe report: the table of probes, then what follows from it.

    Args:
        report: A `plumbrl.probes.ProbeReport`.
        console: Where to.
    """
    speak_plainly(console)
    console.print(_table(report.probes, wide=console.width >= WIDE))
    for reason, names in _reasons(report.probes).items():
        console.print(Text(f"  {', '.join(names)}: {reason}", style="dim"))
    if report.ranked:
        console.print("which component explains what failed", style="bold")
        console.print(_matrix(report))
    for name, value in report.effective:
        console.print(f"effective {name} {value:.3g}, measured from what was learnt")
    identities = [c for c in report.checks if not c.name.startswith("probe ")]
    for check in identities:
        style, mark = MARKS[check.verdict]
        console.print(
            Text(f"{mark} ", style=style)
            .append(check.name)
            .append(f"  {check.reason}", style="dim")
        )
    print_findings(report, console, _sentence(report))


def _sentence(report: Any) -> str:
    failed = [row for row in report.probes if row["verdict"] == "failed"]
    decided = [row for row in report.probes if row["verdict"] in ("passed", "failed")]
    if report.verdict == "HEALTHY":
        left = len(report.probes) - len(decided)
        rest = f" ({left} could not be asked)" if left else ""
        return (
            f"Nothing was found to be wrong: {len(decided)} of {len(decided)} probes passed{rest}."
        )
    if report.verdict == "INCONCLUSIVE":
        return "Nothing failed, but not everything could be decided; see the table."
    if report.verdict == "UNHEALTHY":
        return f"All {len(decided)} probes passed, but {report.findings[0].cause} was seen."
    if not report.findings:
        return (
            f"{len(failed)} of {len(decided)} probes failed, in a way that no known mistake gives."
        )
    top, *rest = report.findings
    count = f"{len(failed)} of {len(decided)} probes failed"
    if top.confidence >= CLEAR:
        return f"{count}; most probably at fault is the {top.component} part: {top.cause}."
    others = [f for f in rest if f.confidence < CLEAR]
    several = " or ".join(f"{f.cause} ({f.confidence:.0%})" for f in (top, *others))
    return f"{count}; it is not clear which mistake: {several}."


def _reasons(rows: tuple[dict[str, Any], ...]) -> dict[str, list[str]]:
    """Return the probes that say nothing, by reason."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["reason"]:
            found.setdefault(row["reason"], []).append(_name(row))
    return found


def _table(rows: tuple[dict[str, Any], ...], wide: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("", no_wrap=True, min_width=1)
    for name in ("probe", *(["isolates"] if wide else [])):
        table.add_column(name, no_wrap=True)
    for name in ("right", "learnt", "steps", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        style, mark = MARKS[row["verdict"]]
        about = [row["isolates"]] if wide else []
        table.add_row(
            Text(mark, style=style), _name(row), *about, *_worst(row["answers"]),
            str(row["timesteps"] or ""), f"{row['seconds']:.1f}",
            style="dim" if row["verdict"] == "skipped" else "",
        )  # fmt: skip
    return table


def _name(row: dict[str, Any]) -> str:
    return row["probe"] + (" (continuous)" if row["actions"] == "continuous" else "")


def _worst(answers: list[dict[str, Any]]) -> tuple[str, str]:
    """Return the answer furthest from right: what it should be, and its band over seeds."""
    if not answers:
        return "", ""

    def gap(a: dict[str, Any]) -> float:
        return max(
            abs(x - r)
            for x, r in zip((*a["low"], *a["high"]), (*a["right"], *a["right"]), strict=True)
        )

    worst = max(answers, key=gap)
    low, high = worst["low"][0], worst["high"][0]
    band = f"{low:.2f}" if abs(high - low) < 0.005 else f"{low:.2f}..{high:.2f}"
    return f"{worst['quantity']} = {worst['right'][0]:.2f}", band


def _matrix(report: Any) -> Table:
    """Return the localisation matrix: how much each component explains each failed probe."""
    shown = [(name, share) for name, share in report.components if share >= 0.01][:6]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("failed probe", no_wrap=True)
    for name, share in shown:
        table.add_column(f"{name}\n{share:.0%}", justify="right")
    for probe in [row["probe"] for row in report.probes if row["verdict"] == "failed"]:
        cells = []
        for component, _ in shown:
            mass = sum(r.probability for r in report.ranked if r.component == component)
            told = sum(
                r.probability
                for r in report.ranked
                if r.component == component and probe in r.explains
            )
            cells.append(f"{told / mass:.0%}" if mass else "")
        table.add_row(probe, *cells)
    return table
