"""Reports and evaluations on the console."""

import codecs
from dataclasses import replace

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from plumbrl.findings import Finding, Report
from plumbrl.metrics.episodes import Evaluation

GOOD, BAD, UNSURE = "green", "red", "yellow"
MARKS = {
    "passed": (GOOD, "✓"),
    "failed": (BAD, "✗"),
    "skipped": ("dim", "–"),
    "inconclusive": (UNSURE, "?"),
}


PLAIN = {"✓": "+", "✗": "x", "–": "-", "−": "-", "…": ".", "°": "o", "×": "x", "γ": "g", "λ": "l"}
"""What is written instead on a console that lacks a character; of the same width, for tables."""


def speak_plainly(console: Console) -> None:
    """Let a console that is not in Unicode write `PLAIN` for what it lacks, or a question mark."""
    reconfigure = getattr(console.file, "reconfigure", None)
    if reconfigure and not console.encoding.startswith("utf"):
        codecs.register_error("plumbrl.plain", _plain)
        reconfigure(errors="plumbrl.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in lacking), error.end


def print_report(report: Report, console: Console, *, brief: bool = False) -> None:
    """Print the verdict with its findings, everything that was checked, and what to do next.

    Args:
        report: What to print.
        console: Where to.
        brief: What passed by name only, and what is merely worth knowing in a line.
    """
    speak_plainly(console)
    notes = [f for f in report.findings if brief and f.severity == "info"]
    told = _told(replace(report, findings=tuple(f for f in report.findings if f not in notes)))
    lines = [*told, *map(_note, notes), *_checked(report, brief), *_next(report)]
    console.print(_panel(report, lines))


def _note(found: Finding) -> Text:
    return Text("note ", style=UNSURE).append(f"{found.cause}  {found.summary}", style="default")


def is_consequence(found: Finding) -> bool:
    """Return whether a finding is explained by another one, and only told beside it."""
    return found.severity == "info" and found.summary.startswith("Follows from")


def _next(report: Report) -> list[RenderableType]:
    return [Text(""), Text(f"Next: {report.next_step}", style="bold")] if report.next_step else []


def _checked(report: Report, brief: bool = False) -> list[RenderableType]:
    """Return a line per check with something to say, and one each for silent and skipped ones."""
    lines: list[RenderableType] = []
    passed = [c for c in report.checks if c.verdict == "passed"]
    silent = [c.name for c in passed if brief or not c.reason]
    for check in report.checks:
        heard = check.verdict != "passed" or check.name not in silent
        if check.verdict != "skipped" and heard:
            style, mark = MARKS[check.verdict]
            line = Text(f"{mark} ", style=style)
            line.append(check.name, style="default").append(f"  {check.reason}", style="dim")
            lines.append(line)
    if silent:
        word = "passed" if brief else "silent"
        style, mark = MARKS["passed"]
        line = Text(f"{mark} ", style=style).append(f"{len(silent)} {word}", style="default")
        lines.append(line.append(f"  {', '.join(silent)}", style="dim"))
    skipped = sum(check.verdict == "skipped" for check in report.checks)
    if skipped:
        said = f"– {skipped} more do not apply here; --json says why"
        lines.append(Text(said, style="dim"))
    return lines


def print_findings(report: Report, console: Console, sentence: str) -> None:
    """Print the verdict with a sentence and its findings, without the checks."""
    lines = [Text(sentence, style="bold"), *([Text("")] if report.findings else [])]
    told = _told(report)
    console.print(_panel(report, [*lines, *told[:-1]]))


def _panel(report: Report, lines: list[RenderableType]) -> Panel:
    color = {"HEALTHY": GOOD, "INCONCLUSIVE": UNSURE, "NOT_CONVERGED": UNSURE}.get(
        report.verdict, BAD
    )
    title = Text(f" {report.verdict} ", style=f"bold {color}")
    return Panel(Group(*lines), title=title, title_align="left", border_style=color)


def _told(report: Report) -> list[RenderableType]:
    """Return the lines that tell every finding; a consequence has one, without what to do."""
    lines: list[RenderableType] = []
    for found in [f for f in report.findings if not is_consequence(f)]:
        lines.append(Text(f"{found.cause}  (confidence {found.confidence:.0%})", style="bold"))
        lines.append(Text(found.summary))
        lines += [
            Text(
                f"  measured {e.name}: {e.value:.4g}{' ' + e.unit if e.unit else ''}"
                f" (expected {'; '.join(filter(None, (e.expected, e.where)))})"
            )
            for e in found.evidence
        ]
        lines.append(Text(f"  try: {found.remedy}"))
        for name, value in found.change.items():
            lines.append(Text(f"       {name}: {value}", style="cyan"))
        if found.reference:
            lines.append(Text(f"  read: {found.reference}", style="dim"))
        lines.append(Text(""))
    follow = [f for f in report.findings if is_consequence(f)]
    lines += [Text(f"{f.cause}  {f.summary}", style="dim") for f in follow]
    return [*lines, Text("")] if follow else lines


def evaluation_table(evaluations: list[Evaluation]) -> Table:
    """Return a table of policies evaluated on the same seeds."""
    shown = [m for m in _COLUMNS if all(m in e.metrics for e in evaluations)]
    title = f"{len(evaluations[0].seeds)} held-out episodes each, the same for every policy"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("policy", no_wrap=True)
    table.add_column("return [95 % interval]", justify="right", no_wrap=True)
    table.add_column("steps", justify="right")
    table.add_column("survived", justify="right", no_wrap=True)
    for name in shown:
        table.add_column(_COLUMNS[name][0], justify="right", no_wrap=True)
    table.add_column("ends", no_wrap=True)
    for e in evaluations:
        ends = ", ".join(
            cause if len(e.causes) == 1 else f"{cause} {count}"
            for cause, count in sorted(e.causes.items())
        )
        table.add_row(
            e.policy,
            str(e.return_interval()),
            f"{e.lengths.mean():.0f}",
            f"{1 - e.terminated.mean():.0%}",
            *(f"{_COLUMNS[name][1] * np.mean(e.metrics[name]):.2f}" for name in shown),
            ends,
        )
    return table


_COLUMNS = {
    "speed_along_target": ("m/s", 1.0),
    "velocity_error": ("error m/s", 1.0),
    "tilt": ("tilt °", 180 / np.pi),
}
"""Metrics shown if every policy has them: header, and factor to the header's unit."""
