"""One page that says everything about a run: it opens without a network, anywhere."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from plumbrl.findings import Report
from plumbrl.history import History
from plumbrl.report.page.checks import checks, summary
from plumbrl.report.page.episode import CURVES, episode
from plumbrl.report.page.findings import findings, marks_of
from plumbrl.report.page.groups import MOST, curves, frame_of
from plumbrl.report.page.markup import Markup, copied, joined, plain_text, tag
from plumbrl.report.page.numbers import count, number, percent
from plumbrl.report.page.verdicts import MEANS, tone, words
from plumbrl.rules import columns_of
from plumbrl.rules.derived import return_column
from plumbrl.runs.files import whole
from plumbrl.snapshots.trace import Trace

HEADINGS = {"Checks": "What was checked", "Facts": "About the run"}
"""Of sections whose short name, as it is in the links, does not say enough."""
COMMAND = re.compile(r"plumbrl [^,;]+")


def report_page(
    report: Report,
    history: History | None = None,
    facts: Mapping[str, str] | None = None,
    trace: Trace | None = None,
) -> str:
    """Return a report as one HTML page without anything beside it.

    Args:
        report: What was found.
        history: Numbers of the run, for curves; None if there are none.
        facts: What else to tell about the run, by name.
        trace: An episode to show step by step.
    """
    shown = sections(report, history, facts, trace)
    links = (tag("a", name, href=f"#{name.lower()}") for name in list(shown)[1:])
    script = _asset("page.js")
    return Template(_asset("page.html")).substitute(
        title=plain_text(f"{words(report.verdict)}: {report.subject}"),
        style=_asset("page.css"),
        script=script,
        allowed=_hash(script),
        links=joined(*links),
        main=joined(*shown.values()),
    )


def sections(
    report: Report,
    history: History | None = None,
    facts: Mapping[str, str] | None = None,
    trace: Trace | None = None,
    most: int = MOST,
) -> dict[str, Markup]:
    """Return the parts of a report's page by name: the verdict, and one for each link to it.

    Args:
        report: What was found.
        history: Numbers of the run, for curves; None if there are none.
        facts: What else to tell about the run, by name.
        trace: An episode to show step by step.
        most: Points of a curve, at least 4.
    """
    known = history if history is not None else History(np.empty(0), {})
    frame = frame_of(known, more=len(report.findings) + CURVES * (trace is not None))
    frame = replace(frame, most=min(frame.most, most))
    told = findings(report.findings, history, columns_of(known), frame)
    shown = episode(trace, frame.most)
    drawn = joined(curves(known, frame, marks_of(report.findings)), shown)
    looked = tag("p", f"{summary(report.checks)}.", class_="dim")
    content = {
        "Findings": told,
        "Curves": drawn or tag("p", "No curves were recorded.", class_="dim"),
        "Checks": joined(looked, checks(report.checks)),
        "Facts": _facts(known, facts or {}),
    }
    rest = {name: section(name, text) for name, text in content.items()}
    return {"Verdict": _verdict(report, known), **rest}


def write_page(
    path: Path,
    report: Report,
    history: History | None = None,
    facts: Mapping[str, str] | None = None,
    trace: Trace | None = None,
) -> Path:
    """Write `report_page` to a file, whole or not at all; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        page = report_page(report, history, facts, trace)
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return path


@cache
def _asset(name: str) -> str:
    return (resources.files("plumbrl.report.page") / name).read_text(encoding="utf-8").strip()


def _hash(script: str) -> str:
    """Return what lets this script run and no other."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"


def section(name: str, content: Markup) -> Markup:
    """Return a part of a page under its heading, which links reach by its name."""
    head = tag("h2", HEADINGS.get(name, name), id=f"{name.lower()}-title")
    return tag("section", head, content, id=name.lower(), aria_labelledby=f"{name.lower()}-title")


def _verdict(report: Report, history: History) -> Markup:
    parts = [
        tag("p", report.subject, class_="subject"),
        tag("h1", words(report.verdict), id="verdict"),
        tag("p", MEANS.get(report.verdict, ""), class_="lead"),
    ]
    if report.findings:
        first = report.findings[0]
        said = "Noted" if first.severity == "info" else "Look first at"
        shown = tag("a", first.summary, href="#finding-1")
        parts.append(tag("p", f"{said} ({percent(first.confidence)} sure): ", shown))
    parts += [_next(report.next_step)] if report.next_step else []
    parts.append(_figures(report, history))
    return tag(
        "section", *parts, class_=f"verdict {tone(report.verdict)}", aria_labelledby="verdict"
    )


def _next(step: str) -> Markup:
    found = COMMAND.search(step)
    if found is None:
        return tag("div", tag("h2", "Next"), tag("p", step), class_="next")
    command = step if step.startswith("plumbrl ") else found.group().strip()
    before, _, after = step.partition(command)
    said = tag("p", before, tag("code", command), after)
    return tag("div", tag("h2", "Next"), tag("div", said, copied(command), class_="command"),
               class_="next")  # fmt: skip


def _figures(report: Report, history: History) -> Markup:
    """Return the few numbers that one asks for first."""
    told: dict[str, str] = {}
    if history.rows:
        told["timesteps"] = count(float(history.steps[-1]))
    key = return_column({name: history[name] for name in history})
    if key is not None:
        values = history[key][np.isfinite(history[key])]
        told["return at the end"] = number(float(values[-1]))
        told["best return"] = number(float(values.max()))
    told["findings"] = count(len(report.findings))
    told["checks"] = summary(report.checks)
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in told.items()]
    return tag("dl", *rows, class_="figures")


def _facts(history: History, facts: Mapping[str, str]) -> Markup:
    told = dict(facts)
    for name, value in asdict(history.facts).items():
        if value is not None:
            told.setdefault(name.replace("_", " "), _fact(value))
    if history.source:
        told.setdefault("read from", history.source)
    if history.rows:
        told.setdefault("rows", f"{count(history.rows)} of {count(len(history))} columns")
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in told.items()]
    notes = [tag("li", note) for note in history.notes]
    parts = [tag("dl", *rows, class_="facts")] if rows else []
    parts += [tag("h3", "What the reader had to mend"), tag("ul", *notes)] if notes else []
    return joined(*parts) or tag("p", "Nothing else is known.", class_="dim")


def _fact(value: object) -> str:
    if isinstance(value, int):
        return count(value)
    return number(value) if isinstance(value, float) else str(value)
