"""What was looked at, with what came of it."""

from collections.abc import Sequence

from plumbrl.findings import Check
from plumbrl.report.console import MARKS
from plumbrl.report.page.markup import Markup, joined, tag

ORDER = ("failed", "inconclusive", "passed", "skipped")


def checks(looked: Sequence[Check]) -> Markup:
    """Return a table of checks, the failed ones first; those that were skipped are folded away."""
    if not looked:
        return tag("p", "No check was made.", class_="dim")
    decided = [c for verdict in ORDER[:3] for c in looked if c.verdict == verdict]
    skipped = [c for c in looked if c.verdict == "skipped"]
    parts = [_filter(looked)] if decided else []
    parts += [_table(decided, "What was checked")] if decided else []
    if skipped:
        head = tag("summary", f"{len(skipped)} skipped, and why")
        parts.append(tag("details", head, _table(skipped, "What was skipped"), class_="rest"))
    return joined(*parts)


def summary(looked: Sequence[Check]) -> str:
    """Return how many checks came to which end."""
    counts = [(verdict, sum(c.verdict == verdict for c in looked)) for verdict in ORDER]
    return ", ".join(f"{n} {verdict}" for verdict, n in counts if n) or "no checks"


def _filter(looked: Sequence[Check]) -> Markup:
    """Return buttons that show one kind alone; they appear where scripts run."""
    counts = {v: sum(c.verdict == v for c in looked) for v in ORDER[:3]}
    kinds = [("all", sum(counts.values())), *((v, n) for v, n in counts.items() if n)]
    buttons = [
        tag("button", f"{kind} {n}", type="button", data_show=kind,
            aria_pressed="true" if kind == "all" else "false")
        for kind, n in kinds
    ]  # fmt: skip
    return tag("div", *buttons, class_="filter", role="group", aria_label="Show", hidden=True)


def _table(looked: Sequence[Check], caption: str) -> Markup:
    rows = [
        tag(
            "tr", tag("td", tag("span", MARKS[c.verdict][1], aria_hidden="true"), f" {c.verdict}"),
            tag("th", c.name, scope="row"), tag("td", c.reason), class_=c.verdict,
        )
        for c in looked
    ]  # fmt: skip
    names = ("verdict", "check", "reason")
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in names)))
    return tag(
        "table",
        tag("caption", caption, class_="unseen"),
        head,
        tag("tbody", *rows),
        class_="checks",
    )
