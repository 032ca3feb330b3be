"""What a finding's metric was compared with: the rule that raised it, read again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plumbrl.findings import Finding
from plumbrl.history import History
from plumbrl.report.page.numbers import number
from plumbrl.report.page.parts import Limit, Line
from plumbrl.rules import TABLES
from plumbrl.rules.derived import RETURNS, needed_gain, return_column
from plumbrl.rules.rule import Columns, Rule, can_apply
from plumbrl.rules.table import Entry, rules_of, table

LOOKS = {
    "growth": "times the median of the 20 rows before",
    "start": "at the start",
    "share of start": "as a share of its start",
    "median": "median of 20 rows",
    "size": "size",
}
SHOWN = {
    "task.no-gain": RETURNS,
    "task.no-better-than-random": RETURNS,
    "task.below-baseline": RETURNS,
    "task.still-rising": RETURNS,
    "task.overfits": RETURNS,
    "policy.collapsed": RETURNS,
    "value.overfits": ("value/explained_variance_held_out", "value/residual_variance"),
}
"""Where to look at what no single rule has raised."""


@dataclass(frozen=True)
class Compared:
    """What to draw of a finding.

    Attributes:
        title: Of the chart.
        lines: The metric, as it was compared.
        limit: With what, if it is known.
        about: Recorded names that it is made of.
    """

    title: str
    lines: Sequence[Line]
    limit: Limit | None
    about: Sequence[str]


def compared(found: Finding, history: History, columns: Columns) -> Compared | None:
    """Return what to draw of a finding; None if the history has nothing of it.

    Args:
        found: By a rule, or anything else.
        history: Of the run.
        columns: Of the history, and those derived from it.
    """
    for name in TABLES.values():
        for rule in rules_of(name):
            if _raised(rule, found) and can_apply(rule, history, columns):
                entry = table(name)[rule.name.replace(" ", "-")]
                drawn = _of_rule(rule, entry, found, history, columns)
                if drawn is not None:
                    return drawn
    return _of_columns(found, history, columns)


def _raised(rule: Rule, found: Finding) -> bool:
    return rule.cause == found.cause and any(e.name == rule.needs[0] for e in found.evidence)


def _of_rule(
    rule: Rule, entry: Entry, found: Finding, history: History, columns: Columns
) -> Compared | None:
    rows = ~np.any([np.isnan(columns[key]) for key in rule.needs], axis=0)
    rows &= np.isfinite(history.steps)
    if not rows.any():
        return None
    steps = history.steps[rows]
    verdicts = rule.judge({key: columns[key][rows] for key in columns}, history.facts)
    limit = float(np.broadcast_to(verdicts.limit, len(steps))[-1])
    # Several rules may look at one metric; the words of the finding tell which one it was.
    if all(e.expected != rule.expected.format(limit=f"{limit:.3g}") for e in found.evidence):
        return None
    made = f"{entry.metric} / {entry.over}" if entry.over else entry.metric
    title = f"{made}, {LOOKS[entry.look]}" if entry.look in LOOKS else made
    known = ~np.isnan(verdicts.seen)
    lines = [Line(title, steps[known], verdicts.seen[known])]
    if entry.look == "median":
        lines.append(Line(made, steps, columns[entry.metric][rows], faint=True))
    side = "below" if entry.above is not None else "above"
    bound = Limit(limit, side, f"healthy {side} {number(limit)}")
    return Compared(title, lines, bound, [k for k in (entry.metric, entry.over) if k])


def _of_columns(found: Finding, history: History, columns: Columns) -> Compared | None:
    named = tuple(name for e in found.evidence for name in (e.name, e.where))
    keys = SHOWN.get(found.cause, named)
    lines = [Line.of(history, key) for key in dict.fromkeys(keys)]
    lines = [line for line in lines if len(line.steps)]
    if not lines:
        return None
    limit = _learned(history, columns) if found.cause == "task.no-gain" else None
    title = "Return" if keys == RETURNS else lines[0].name
    return Compared(title, lines, limit, [line.name for line in lines])


def _learned(history: History, columns: Columns) -> Limit | None:
    """Return the return from which on a run counts as having learned."""
    key = return_column(columns)
    if key is None:
        return None
    returns = columns[key][np.isfinite(columns[key])]
    known = history.facts.random_return
    start = float(returns[0]) if known is None else known
    value = start + float(needed_gain(columns, rows=1)[-1])
    return Limit(value, "above", "has learned above") if np.isfinite(value) else None
