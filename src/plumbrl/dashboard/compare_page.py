"""Several runs beside each other: what differs, what they came to, and their curves in one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plumbrl.dashboard.judging import Judged
from plumbrl.dashboard.listing import Entry
from plumbrl.dashboard.outcomes import Outcome, differing
from plumbrl.dashboard.parts import Page, part
from plumbrl.dashboard.run_page import ALL_RUNS, FRAME
from plumbrl.dashboard.runs_page import chip
from plumbrl.history import History
from plumbrl.report.html import section
from plumbrl.report.page.chart import chart, unit_of
from plumbrl.report.page.groups import BUDGET, Group, arranged, drawn
from plumbrl.report.page.markup import Markup, joined, tag
from plumbrl.report.page.numbers import number
from plumbrl.report.page.parts import Frame, Line

MOST = 200
"""Points of a curve."""
RETURN, INTERVAL = "final return", "95 % interval"
COLUMNS = 60
"""Charts; those that the catalogue explains come first."""


@dataclass(frozen=True)
class Compared:
    """A run to be compared.

    Attributes:
        entry: What the list says of it.
        name: Short, unlike those of the others.
        judged: Its verdict, if it is known.
        history: Its numbers; None if they cannot be read.
        settings: By dotted name.
        outcome: What it came to.
    """

    entry: Entry
    name: str
    judged: Judged | None
    history: History | None
    settings: dict[str, str]
    outcome: Outcome | None


def compare_page(runs: Sequence[Compared], address: str) -> Page:
    """Return the page that compares runs.

    Args:
        runs: From two to eight.
        address: Of the changes to the page.
    """
    title = f"{len(runs)} runs compared"
    head = part("head", "section", tag("h1", title), tag("p", _sentence(runs), class_="lead"),
                class_="overview")  # fmt: skip
    body = {"Outcome": _outcomes(runs), "Settings": _settings(runs), "Curves": _curves(runs)}
    parts = [
        part(name.lower() + "-part", "div", section(name, text)) for name, text in body.items()
    ]
    links = [ALL_RUNS, *(tag("a", name, href=f"#{name.lower()}") for name in body)]
    return Page(f"{title} · plumbrl", {"main": [head, *parts]}, address, joined(*links), FRAME)


def short_names(labels: Sequence[str]) -> list[str]:
    """Return names without what all labels begin with, cut at a slash, dash or underscore."""
    names = [label.rpartition("/")[2] for label in labels]
    if len(set(names)) < len(names):
        names = list(labels)
    plain = [name.partition("_")[2] if name[:8].isdigit() else name for name in names]
    return plain if len(set(plain)) == len(plain) and all(plain) else names


def _sentence(runs: Sequence[Compared]) -> str:
    """Say which run is ahead, or that the intervals do not tell."""
    known = [r for r in runs if r.outcome is not None and r.outcome.interval is not None]
    if len(known) < 2:
        return "Without several evaluated episodes of each, the curves are all there is to go by."
    best, *rest = sorted(known, key=lambda r: -r.outcome.value)  # type: ignore
    ahead = [r for r in rest if r.outcome.interval.high < best.outcome.interval.low]  # type: ignore
    if len(ahead) == len(rest):
        return f"{best.name} came to the highest return, beyond the intervals of the others."
    if ahead:
        return f"{best.name} came to the highest return, though not clear of all others."
    return f"{best.name} came to the highest return, but the intervals overlap."


def _outcomes(runs: Sequence[Compared]) -> Markup:
    rows = []
    for index, run in enumerate(runs):
        swatch = tag("i", class_=f"swatch c{index}")
        name = tag("th", swatch, tag("a", run.name, href=f"/run/{run.entry.run.id}"), scope="row")
        rows.append(tag("tr", name, tag("td", chip(run.judged)), *_result(run.outcome)))
    heads = ("run", "verdict", RETURN, INTERVAL, "of")
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in heads)))
    note = tag("p", "An interval is of the mean over the episodes of one trained policy; that of "
               "another seed may lie elsewhere.", class_="dim")  # fmt: skip
    return joined(tag("table", head, tag("tbody", *rows), class_="outcomes"), note)


def _result(outcome: Outcome | None) -> list[Markup]:
    if outcome is None:
        return [tag("td", "none logged", class_="dim", colspan=3)]
    range_ = outcome.interval
    told = f"{number(range_.low)} to {number(range_.high)}" if range_ else "not known"
    return [
        tag("td", tag("b", number(outcome.value)), data_head=RETURN),
        tag("td", told, data_head=INTERVAL), tag("td", outcome.said, class_="dim"),
    ]  # fmt: skip


def _settings(runs: Sequence[Compared]) -> Markup:
    rows = differing([run.settings for run in runs])
    if not rows:
        return tag("p", "They were set up alike, as far as their folders tell.", class_="dim")
    heads = [tag("th", "setting", scope="col")]
    for index, run in enumerate(runs):
        heads.append(tag("th", tag("i", class_=f"swatch c{index}"), run.name, scope="col"))
    lines = [
        tag("tr", tag("th", tag("code", key), scope="row"), *_cells(values, runs))
        for key, values in rows.items()
    ]
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *lines), class_="settings")
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label="Settings")


def _cells(values: Sequence[str], runs: Sequence[Compared]) -> list[Markup]:
    return [tag("td", value or "–", data_head=run.name)
            for value, run in zip(values, runs, strict=True)]  # fmt: skip


def _curves(runs: Sequence[Compared]) -> Markup:
    keys = list(dict.fromkeys(k for r in runs if r.history is not None for k in drawn(r.history)))
    shared = sorted(keys, key=lambda key: -sum(_has(run, key) for run in runs))[:COLUMNS]
    if not shared:
        return tag("p", "No curves were recorded.", class_="dim")
    frame = _frame(runs, len(shared))
    return joined(*(_group(group, panels, runs, frame) for group, panels in arranged(shared)))


def _has(run: Compared, key: str) -> bool:
    return run.history is not None and len(run.history.points(key)[0]) > 0


def _frame(runs: Sequence[Compared], charts: int) -> Frame:
    steps = [r.history.steps for r in runs if r.history is not None and r.history.rows]
    every = np.concatenate(steps)
    every = every[np.isfinite(every)]
    most = max(4, min(MOST, BUDGET // (charts * len(runs))))
    last = float(every.max()) if len(every) else 1.0
    return Frame(0.0, last, most)


def _group(
    group: Group, panels: Sequence[tuple[str, list[str]]], runs: Sequence[Compared], frame: Frame
) -> Markup:
    charts = [_chart(key, runs, frame) for _, keys in panels for key in keys]
    many = f"{len(charts)} chart{'s' if len(charts) > 1 else ''}"
    head = tag("summary", tag("h3", group.question), tag("span", many, class_="dim"))
    return tag("details", head, tag("div", *charts, class_="grid"), class_="group",
               open=group.open_)  # fmt: skip


def _chart(key: str, runs: Sequence[Compared], frame: Frame) -> Markup:
    # A run that lacks it keeps its place, and so the others their colours.
    known = [r.history or History(np.empty(0), {}) for r in runs]
    points = [Line.of(history, key) for history in known]
    lines = [Line(r.name, p.steps, p.values) for r, p in zip(runs, points, strict=True)]
    return chart(key, lines, frame, unit=unit_of(key), about=[key])
