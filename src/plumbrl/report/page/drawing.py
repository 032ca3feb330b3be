"""The parts of a chart: lines in SVG that stretches, words in HTML that do not."""

from collections.abc import Sequence

import numpy as np

from plumbrl.report.page.markup import Markup, joined, tag
from plumbrl.report.page.numbers import number, short
from plumbrl.report.page.parts import Frame, Limit, Line, Mark
from plumbrl.report.page.series import Array, Scale, round_numbers, thinned

WIDE, HIGH = 1000.0, 300.0
"""Units of the drawing; it is stretched to its place on the page."""
CLOSE = 0.04
"""Marks that are nearer to each other, as a share of the width, have one label."""
MANY = 40
"""Values that are no numbers, from which on only some are marked."""
FEW = 40
"""Points of a line up to which each is dotted; a single one would not be seen."""
COLOURS = 8


def _points(line: Line, most: int) -> tuple[Array, Array]:
    finite = np.isfinite(line.values)
    return thinned(line.steps[finite], line.values[finite], most)


def curve(line: Line, index: int, frame: Frame, scale: Scale) -> Markup:
    """Return a line, and dots on it where it has few points."""
    steps, values = _points(line, frame.most)
    x, y = WIDE * frame.scale.at(steps), HIGH * (1 - scale.at(values))
    # What lies beyond the axis is cut off by the drawing; huge numbers would break its strokes.
    y = np.clip(y, -HIGH, 2 * HIGH)
    pairs = [f"{a:.4g},{b:.4g}" for a, b in zip(x, y, strict=True)]
    look = colour(line, index)
    drawn = tag(
        "polyline", points=" ".join(pairs), class_=f"line {look}", data_name=line.name,
        data_steps=" ".join(f"{s:.0f}" for s in steps),
        data_values=" ".join(number(float(v)) for v in values),
    )  # fmt: skip
    if len(pairs) > FEW:
        return drawn
    # Strokes without length are round dots, even where the drawing is stretched.
    dots = "".join(f"M{pair}h0" for pair in pairs)
    return joined(drawn, tag("path", d=dots, class_=f"dots {look}"))


def colour(line: Line, index: int) -> str:
    """Return the classes that give a line its colour."""
    return "c6 faint" if line.faint else f"c{index % COLOURS}"


def healthy(limit: Limit | None, scale: Scale) -> Markup:
    """Return the band of a limit, and its line; nothing without a limit."""
    if limit is None or not np.isfinite(limit.value):
        return Markup()
    y = HIGH * (1 - float(scale.at(limit.value)))
    dashed = tag("line", x1=0, x2=f"{WIDE:.0f}", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="limit")
    top, tall = (0.0, y) if limit.healthy == "above" else (y, HIGH - y)
    band = tag(
        "rect", x=0, y=f"{top:.1f}", width=f"{WIDE:.0f}", height=f"{max(tall, 0):.1f}",
        class_="healthy",
    )  # fmt: skip
    return joined(band, dashed)


def grid(scale: Scale) -> list[Markup]:
    """Return a line for each tick."""
    heights = [f"{HIGH * (1 - float(scale.at(t))):.1f}" for t in scale.ticks()]
    return [tag("line", x1=0, x2=f"{WIDE:.0f}", y1=y, y2=y, class_="grid") for y in heights]


def odd(lines: Sequence[Line], frame: Frame) -> list[Markup]:
    """Return strokes at the top where values are infinite."""
    steps = np.concatenate([line.steps[~np.isfinite(line.values)] for line in lines])
    at = WIDE * frame.scale.at(np.unique(steps)[:: max(1, len(steps) // MANY)])
    return [tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=20, class_="odd") for x in at]


def upright(mark: Mark, frame: Frame) -> Markup:
    """Return the line of a mark."""
    x = f"{WIDE * _share(mark, frame):.1f}"
    return tag("line", x1=x, x2=x, y1=0, y2=f"{HIGH:.0f}", class_="mark")


def _share(mark: Mark, frame: Frame) -> float:
    return float(np.clip(frame.scale.at(mark.step), 0, 1))


def mark_labels(marks: Sequence[Mark], frame: Frame) -> list[Markup]:
    """Return the labels of marks; those close to each other share one."""
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda m: m.step):
        if groups and _share(mark, frame) - _share(groups[-1][0], frame) < CLOSE:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return [_label(group, frame) for group in groups]


def _label(group: Sequence[Mark], frame: Frame) -> Markup:
    first, at = group[0], _share(group[0], frame)
    # The keyboard passes links by: every chart has them, and the findings stand above.
    return tag(
        "a" if first.target else "span", ", ".join(m.label for m in group),
        href=f"#{first.target}" if first.target else None,
        tabindex=-1 if first.target else None, title="; ".join(m.title for m in group),
        class_="moment late" if at > 0.75 else "moment", style=f"left:{100 * at:.2f}%",
    )  # fmt: skip


def y_labels(scale: Scale) -> list[Markup]:
    """Return the numbers at the left."""
    spots = [(t, 100 * float(scale.at(t))) for t in scale.ticks()]
    return [tag("span", number(t), class_="y", style=f"bottom:{at:.2f}%") for t, at in spots]


def x_labels(frame: Frame) -> list[Markup]:
    """Return the timesteps below."""
    spots = [(t, 100 * float(frame.scale.at(t))) for t in round_numbers(frame.first, frame.last, 5)]
    return [tag("span", short(t), class_="x", style=f"left:{at:.2f}%") for t, at in spots]


def limit_label(limit: Limit | None, scale: Scale) -> list[Markup]:
    """Return the words at a limit; none without one."""
    if limit is None or not np.isfinite(limit.value):
        return []
    at = float(np.clip(scale.at(limit.value), 0, 1))
    under = " under" if at > 0.85 else ""
    return [tag("span", limit.label, class_=f"bound{under}", style=f"bottom:{100 * at:.2f}%")]
