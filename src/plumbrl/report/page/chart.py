"""A chart: lines in SVG that stretches, words in HTML that do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from plumbrl.history import History
from plumbrl.report.page.markup import Markup, explained, joined, tag
from plumbrl.report.page.numbers import count, number, short
from plumbrl.report.page.series import Array, Scale, round_numbers, scale_of, thinned

WIDE, HIGH = 1000.0, 300.0
"""Units of the drawing; it is stretched to its place on the page."""
CLOSE = 0.04
"""Marks that are nearer to each other, as a share of the width, have one label."""
MANY = 40
"""Values that are no numbers, from which on only some are marked."""
FEW = 40
"""Points of a line up to which each is dotted; a single one would not be seen."""
COLOURS = 8


@dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        name: Of the metric.
        steps: Timesteps, (n,).
        values: May be infinite, (n,).
        faint: Drawn thin, behind what matters.
    """

    name: str
    steps: Array
    values: Array
    faint: bool = False

    @classmethod
    def of(cls, history: History, key: str) -> "Line":
        """Return a column of a history; empty if it has none."""
        steps, values = history.points(key)
        known = np.isfinite(steps)
        return cls(key, steps[known], values[known])


@dataclass(frozen=True)
class Limit:
    """What a curve is compared with.

    Attributes:
        value: The limit.
        healthy: The side on which a healthy run stays.
        label: In words.
    """

    value: float
    healthy: Literal["above", "below", "neither"]
    label: str


@dataclass(frozen=True)
class Mark:
    """The moment at which a finding was first seen.

    Attributes:
        step: Timestep.
        label: Short, such as the finding's number.
        title: In words.
        target: Id on the page to jump to; none if empty.
    """

    step: float
    label: str
    title: str
    target: str = ""


@dataclass(frozen=True)
class Frame:
    """What all charts of a page share.

    Attributes:
        first: Timestep at the left.
        last: Timestep at the right.
        most: Points of a line.
    """

    first: float
    last: float
    most: int

    @property
    def scale(self) -> Scale:
        """The axis of timesteps."""
        last = self.last if self.last > self.first else self.first + 1.0
        return Scale(self.first, last)


def chart(
    title: str,
    lines: Sequence[Line],
    frame: Frame,
    *,
    unit: str = "",
    limit: Limit | None = None,
    marks: Sequence[Mark] = (),
    about: Sequence[str] = (),
) -> Markup:
    """Return a figure; every curve it shows can be read off point by point.

    Args:
        title: Above it.
        lines: What to draw.
        frame: Of the page.
        unit: Of the values; ``1`` and nothing are not shown.
        limit: To compare with.
        marks: Moments to show.
        about: Recorded names to explain below it.
    """
    values = [line.values[np.isfinite(line.values)] for line in lines]
    scale = scale_of(np.concatenate(values), [limit.value] if limit else [])
    drawn = [_curve(line, index, frame, scale) for index, line in enumerate(lines)]
    svg = tag(
        "svg", _healthy(limit, scale), *_grid(scale), *drawn, *_odd(lines, frame),
        *(_upright(m, frame) for m in marks), viewBox=f"0 0 {WIDE:.0f} {HIGH:.0f}",
        preserveAspectRatio="none", role="img", aria_label=_spoken(title, lines),
    )  # fmt: skip
    words = [*_y_labels(scale), *_x_labels(frame), *_limit_label(limit, scale)]
    plot = tag("div", svg, *words, *_labels(marks, frame), class_="plot")
    shown = unit if unit not in ("", "1", "mixed") else ""
    head = [tag("span", title, class_="name"), tag("span", shown, class_="unit")]
    head += [tag("span", "log scale", class_="unit")] if scale.logarithmic else []
    caption = tag("figcaption", *head, _legend(lines, title))
    return tag(
        "figure", caption, plot, _remarks(lines, scale), explained(list(about)), class_="chart"
    )


def _points(line: Line, most: int) -> tuple[Array, Array]:
    finite = np.isfinite(line.values)
    return thinned(line.steps[finite], line.values[finite], most)


def _curve(line: Line, index: int, frame: Frame, scale: Scale) -> Markup:
    steps, values = _points(line, frame.most)
    x, y = WIDE * frame.scale.at(steps), HIGH * (1 - scale.at(values))
    # What lies beyond the axis is cut off by the drawing; huge numbers would break its strokes.
    y = np.clip(y, -HIGH, 2 * HIGH)
    pairs = [f"{a:.4g},{b:.4g}" for a, b in zip(x, y, strict=True)]
    colour = _colour(line, index)
    drawn = tag(
        "polyline", points=" ".join(pairs), class_=f"line {colour}", data_name=line.name,
        data_steps=" ".join(f"{s:.0f}" for s in steps),
        data_values=" ".join(number(float(v)) for v in values),
    )  # fmt: skip
    if len(pairs) > FEW:
        return drawn
    # Strokes without length are round dots, even where the drawing is stretched.
    dots = "".join(f"M{pair}h0" for pair in pairs)
    return joined(drawn, tag("path", d=dots, class_=f"dots {colour}"))


def _colour(line: Line, index: int) -> str:
    return "c6 faint" if line.faint else f"c{index % COLOURS}"


def _healthy(limit: Limit | None, scale: Scale) -> Markup:
    if limit is None or not np.isfinite(limit.value):
        return Markup()
    y = HIGH * (1 - float(scale.at(limit.value)))
    dashed = tag("line", x1=0, x2=f"{WIDE:.0f}", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="limit")
    if limit.healthy == "neither":
        return dashed
    top, tall = (0.0, y) if limit.healthy == "above" else (y, HIGH - y)
    band = tag(
        "rect", x=0, y=f"{top:.1f}", width=f"{WIDE:.0f}", height=f"{max(tall, 0):.1f}",
        class_="healthy",
    )  # fmt: skip
    return joined(band, dashed)


def _grid(scale: Scale) -> list[Markup]:
    heights = [f"{HIGH * (1 - float(scale.at(t))):.1f}" for t in scale.ticks()]
    return [tag("line", x1=0, x2=f"{WIDE:.0f}", y1=y, y2=y, class_="grid") for y in heights]


def _odd(lines: Sequence[Line], frame: Frame) -> list[Markup]:
    """Return strokes at the top where values are infinite."""
    steps = np.concatenate([line.steps[~np.isfinite(line.values)] for line in lines])
    at = WIDE * frame.scale.at(np.unique(steps)[:: max(1, len(steps) // MANY)])
    return [tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=20, class_="odd") for x in at]


def _upright(mark: Mark, frame: Frame) -> Markup:
    x = f"{WIDE * _share(mark, frame):.1f}"
    return tag("line", x1=x, x2=x, y1=0, y2=f"{HIGH:.0f}", class_="mark")


def _share(mark: Mark, frame: Frame) -> float:
    return float(np.clip(frame.scale.at(mark.step), 0, 1))


def _labels(marks: Sequence[Mark], frame: Frame) -> list[Markup]:
    """Return the labels of marks; those close to each other share one."""
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda m: m.step):
        if groups and _share(mark, frame) - _share(groups[-1][0], frame) < CLOSE:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    found = []
    for group in groups:
        first, at = group[0], _share(group[0], frame)
        # In the order of the page a label comes after the plot, which the keyboard reaches itself.
        found.append(
            tag(
                "a" if first.target else "span", ", ".join(m.label for m in group),
                href=f"#{first.target}" if first.target else None,
                tabindex=-1 if first.target else None,
                title="; ".join(m.title for m in group),
                class_="moment late" if at > 0.75 else "moment", style=f"left:{100 * at:.2f}%",
            )
        )  # fmt: skip
    return found


def _y_labels(scale: Scale) -> list[Markup]:
    spots = [(t, 100 * float(scale.at(t))) for t in scale.ticks()]
    return [tag("span", number(t), class_="y", style=f"bottom:{at:.2f}%") for t, at in spots]


def _x_labels(frame: Frame) -> list[Markup]:
    spots = [(t, 100 * float(frame.scale.at(t))) for t in round_numbers(frame.first, frame.last, 5)]
    return [tag("span", short(t), class_="x", style=f"left:{at:.2f}%") for t, at in spots]


def _limit_label(limit: Limit | None, scale: Scale) -> list[Markup]:
    if limit is None or not np.isfinite(limit.value):
        return []
    at = float(np.clip(scale.at(limit.value), 0, 1))
    under = " under" if at > 0.85 else ""
    return [tag("span", limit.label, class_=f"bound{under}", style=f"bottom:{100 * at:.2f}%")]


def _legend(lines: Sequence[Line], title: str) -> Markup:
    items = []
    for index, line in enumerate(lines):
        last = number(float(line.values[-1])) if len(line.values) else "nothing"
        swatch = tag("i", class_=f"swatch {_colour(line, index)}")
        name = tag("span", line.name, class_="key") if line.name != title else ""
        items.append(tag("li", swatch, name, tag("b", last, data_value=True)))
    return tag("ul", *items, tag("li", "at the end", class_="when"), class_="legend")


def _remarks(lines: Sequence[Line], scale: Scale) -> Markup:
    infinite = sum(int((~np.isfinite(line.values)).sum()) for line in lines)
    values = np.concatenate([line.values[np.isfinite(line.values)] for line in lines])
    beyond = int(((values < scale.low) | (values > scale.high)).sum())
    said = [f"{_values(infinite)} infinite, marked at the top."] if infinite else []
    said += [f"{_values(beyond)} off the axis."] if beyond else []
    return tag("p", " ".join(said), class_="remark") if said else Markup()


def _values(many: int) -> str:
    return "1 value is" if many == 1 else f"{count(many)} values are"


def _spoken(title: str, lines: Sequence[Line]) -> str:
    """Return a chart in words."""
    parts = []
    for line in lines:
        values = line.values[np.isfinite(line.values)]
        if len(values):
            first, last, low, high = (
                number(float(v)) for v in (values[0], values[-1], values.min(), values.max())
            )
            parts.append(f"{line.name} goes from {first} to {last}, between {low} and {high}")
        else:
            parts.append(f"{line.name} has no finite values")
    return f"{title}: " + "; ".join(parts)
