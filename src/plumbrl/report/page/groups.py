"""Curves in groups, each of which answers a question."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from plumbrl.history import History
from plumbrl.metrics.catalogue import described
from plumbrl.report.page.chart import chart, unit_of
from plumbrl.report.page.drawing import COLOURS
from plumbrl.report.page.markup import Markup, joined, tag
from plumbrl.report.page.numbers import count
from plumbrl.report.page.parts import Frame, Line, Mark
from plumbrl.shipped import table as shipped_table

COUNTERS = {"update", "time/iterations", "time/total_timesteps", "time/time_elapsed",
            "train/n_updates"}  # fmt: skip
"""Columns that only count."""
MOST = 400
"""Points of a curve."""
BUDGET = 36_000
"""Points of all curves; each is about 35 bytes, and a page is to stay below 2 MB."""
COLUMNS = 200
"""Columns that are drawn."""


class Group(BaseModel):
    """A question, and the curves that answer it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    open_: bool = Field(False, alias="open")
    panels: dict[str, tuple[str, ...]]
    rest: tuple[str, ...]


@cache
def groups() -> tuple[Group, ...]:
    """Return the groups in the order of the page."""
    return tuple(Group(**entry) for entry in shipped_table("plumbrl.report.page", "curves.yaml"))


def frame_of(history: History, more: int = 0) -> Frame:
    """Return what all charts share: the axis of timesteps, and how many points a curve has.

    Args:
        history: Of the run.
        more: Curves that are drawn beside those of the groups.
    """
    steps = history.steps[np.isfinite(history.steps)]
    first, last = (float(steps.min()), float(steps.max())) if len(steps) else (0.0, 1.0)
    each = BUDGET // max(1, len(drawn(history)) + more)
    return Frame(min(0.0, first) if first < 0.2 * last else first, last, min(MOST, max(4, each)))


def drawn(history: History) -> list[str]:
    """Return the columns that are drawn; of very many those that the catalogue explains."""
    known = [k for k in sorted(history) if k not in COUNTERS and len(history.points(k)[0])]
    return sorted(known, key=lambda key: key not in described())[:COLUMNS]


def arranged(keys: Iterable[str]) -> list[tuple[Group, list[tuple[str, list[str]]]]]:
    """Return every group that has curves, with its panels: a name, and at most 8 columns.

    Args:
        keys: Columns; each is in one panel.
    """
    left = list(keys)
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for group in groups():
        found[group.question] = []
        for name, patterns in group.panels.items():
            mine = _taken(left, patterns)
            for i in range(0, len(mine), COLOURS):
                found[group.question].append((name, mine[i : i + COLOURS]))
    for group in groups():
        found[group.question] += [(key, [key]) for key in _taken(left, group.rest)]
    return [(g, found[g.question]) for g in groups() if found[g.question]]


def _taken(left: list[str], patterns: Sequence[str]) -> list[str]:
    """Remove from a list what matches, and return it in the order of the patterns."""
    mine = [k for p in patterns for k in left if fnmatchcase(k, p)]
    mine = list(dict.fromkeys(mine))
    left[:] = [key for key in left if key not in set(mine)]
    return mine


def curves(history: History, frame: Frame, marks: Sequence[Mark]) -> Markup:
    """Return all curves of a history.

    Args:
        history: Of the run.
        frame: Of the page.
        marks: To show in every chart.
    """
    keys = drawn(history)
    told = [_group(g, panels, history, frame, marks) for g, panels in arranged(keys)]
    if len(keys) == COLUMNS:
        said = f"Of {count(len(history))} columns, {COLUMNS} are drawn."
        told.append(tag("p", said, class_="dim"))
    return joined(*told)


def _group(
    group: Group,
    panels: Sequence[tuple[str, list[str]]],
    history: History,
    frame: Frame,
    marks: Sequence[Mark],
) -> Markup:
    charts = [_panel(name, keys, history, frame, marks) for name, keys in panels]
    many = f"{len(charts)} chart{'s' if len(charts) > 1 else ''}"
    head = tag("summary", tag("h3", group.question), tag("span", many, class_="dim"))
    return tag(
        "details", head, tag("div", *charts, class_="grid"), class_="group", open=group.open_
    )


def _panel(
    name: str, keys: list[str], history: History, frame: Frame, marks: Sequence[Mark]
) -> Markup:
    lines = [Line.of(history, key) for key in keys]
    return chart(name, lines, frame, unit=unit_of(keys[0]), marks=marks, about=keys)
