"""Findings as articles: what was measured, against what, what it means, what to do."""

from collections.abc import Sequence

from plumbrl.causes import catalogue
from plumbrl.findings import Evidence, Finding
from plumbrl.history import History
from plumbrl.report.console import is_consequence
from plumbrl.report.page.chart import chart, unit_of
from plumbrl.report.page.compare import compared
from plumbrl.report.page.markup import Markup, copied, joined, link, tag
from plumbrl.report.page.numbers import count, number, percent
from plumbrl.report.page.parts import Frame, Mark
from plumbrl.rules.rule import Columns

MARKED = 8
"""Findings whose moment is marked in all curves."""
SIGNS = {"error": "✗ error", "warning": "! warning", "info": "i note"}


def findings(
    found: Sequence[Finding], history: History | None, columns: Columns, frame: Frame
) -> Markup:
    """Return all findings; what follows from others is folded away.

    Args:
        found: In the order of the report.
        history: Of the run, for charts.
        columns: Of the history, and those derived from it.
        frame: Of the page's charts.
    """
    if not found:
        return tag("p", "Nothing was found to be wrong.", class_="dim")
    told = [
        (is_consequence(f), _article(f, n, history, columns, frame))
        for n, f in enumerate(found, start=1)
    ]
    roots = [text for follows, text in told if not follows]
    rest = [text for follows, text in told if follows]
    if not rest:
        return joined(*roots)
    head = tag(
        "summary", f"What follows from {'this' if len(roots) == 1 else 'these'} ({len(rest)})"
    )
    return joined(*roots, tag("details", head, *rest, class_="rest"))


def marks_of(found: Sequence[Finding]) -> list[Mark]:
    """Return when the foremost findings were first seen, without what follows from others."""
    roots = [_mark(f, n) for n, f in enumerate(found, start=1) if not is_consequence(f)]
    return roots[:MARKED]


def _mark(found: Finding, place: int) -> Mark:
    title = f"{place}: {found.cause}, first seen at step {count(found.step)}"
    return Mark(found.step, str(place), title, f"finding-{place}")


def _article(
    found: Finding, place: int, history: History | None, columns: Columns, frame: Frame
) -> Markup:
    name = f"finding-{place}"
    title = tag(
        "h3", tag("span", f"{place}.", class_="place"), " ", found.summary, id=f"{name}-title"
    )
    parts = [title, _badges(found, frame if history is not None and history.rows else None)]
    parts += [_evidence(found.evidence)] if found.evidence else []
    parts += [_chart(found, place, history, columns, frame)] if history is not None else []
    parts += [_remedy(found), _more(found)]
    return tag(
        "article", *parts, id=name, class_=f"finding {found.severity}",
        aria_labelledby=f"{name}-title",
    )  # fmt: skip


def _badges(found: Finding, frame: Frame | None) -> Markup:
    when = f"first seen at step {count(found.step)}"
    if frame is not None and frame.last > 0 and 0 <= found.step <= frame.last:
        when += f" ({percent(found.step / frame.last)} of what was recorded)"
    items = [
        tag("li", SIGNS.get(found.severity, found.severity), class_=f"badge {found.severity}"),
        tag("li", tag("code", found.cause)),
        tag("li", f"in the {found.component}"),
        tag("li", f"confidence {percent(found.confidence)}"),
        tag("li", when),
    ]
    return tag("ul", *items, class_="badges")


def _evidence(evidence: Sequence[Evidence]) -> Markup:
    heads = (
        "measured",
        "value",
        "expected",
        *(["where"] if any(e.where for e in evidence) else []),
    )
    rows = []
    for e in evidence:
        value = joined(tag("b", number(e.value)), f" {e.unit}" if e.unit else "")
        cells = zip(heads, (e.name, value, e.expected, e.where), strict=False)
        rows.append(tag("tr", *(tag("td", text, data_head=head) for head, text in cells)))
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in heads)))
    return tag("table", head, tag("tbody", *rows), class_="evidence")


def _chart(found: Finding, place: int, history: History, columns: Columns, frame: Frame) -> Markup:
    drawn = compared(found, history, columns)
    if drawn is None:
        return Markup()
    return chart(
        drawn.title, drawn.lines, frame, unit=unit_of(drawn.title), limit=drawn.limit,
        marks=[_mark_here(found, place)], about=drawn.about,
    )  # fmt: skip


def _mark_here(found: Finding, place: int) -> Mark:
    return Mark(found.step, f"step {count(found.step)}", _mark(found, place).title)


def _remedy(found: Finding) -> Markup:
    parts = [tag("h4", "What to do"), tag("p", found.remedy)]
    if found.change:
        lines = "\n".join(f"{key}: {value}" for key, value in found.change.items())
        parts.append(tag("div", tag("pre", tag("code", lines)), copied(lines), class_="command"))
    if found.reference:
        parts.append(tag("p", "Read: ", link(found.reference), class_="dim"))
    return tag("div", *parts, class_="remedy")


def _more(found: Finding) -> Markup:
    known = catalogue().get(found.cause)
    if known is None:
        return Markup()
    return tag(
        "details", tag("summary", "How this usually shows"), tag("p", known.shows), class_="about"
    )
