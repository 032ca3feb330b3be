"""A chart: every curve can be seen, heard and read off."""

from collections.abc import Sequence

import numpy as np

from plumbrl.metrics.catalogue import described
from plumbrl.report.page.drawing import (
    HIGH,
    WIDE,
    colour,
    curve,
    grid,
    healthy,
    limit_label,
    mark_labels,
    odd,
    upright,
    x_labels,
    y_labels,
)
from plumbrl.report.page.markup import Markup, explained, tag
from plumbrl.report.page.numbers import count, number
from plumbrl.report.page.parts import Frame, Limit, Line, Mark
from plumbrl.report.page.series import Scale, scale_of


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
        unit: Of the values; nothing for pure numbers.
        limit: To compare with.
        marks: Moments to show.
        about: Recorded names to explain below it.
    """
    values = [line.values[np.isfinite(line.values)] for line in lines]
    scale = scale_of(np.concatenate(values), [limit.value] if limit else [])
    drawn = [curve(line, index, frame, scale) for index, line in enumerate(lines)]
    svg = tag(
        "svg", healthy(limit, scale), *grid(scale), *drawn, *odd(lines, frame),
        *(upright(m, frame) for m in marks), viewBox=f"0 0 {WIDE:.0f} {HIGH:.0f}",
        preserveAspectRatio="none", role="img", aria_label=_spoken(title, lines),
    )  # fmt: skip
    words = [*y_labels(scale), *x_labels(frame), *limit_label(limit, scale)]
    plot = tag("div", svg, *words, *mark_labels(marks, frame), class_="plot")
    head = [tag("span", title, class_="name"), tag("span", unit, class_="unit")]
    head += [tag("span", "log scale", class_="unit")] if scale.logarithmic else []
    caption = tag("figcaption", *head, _legend(lines, title))
    return tag(
        "figure", caption, plot, _remarks(lines, scale), explained(list(about)), class_="chart"
    )


def unit_of(key: str) -> str:
    """Return the unit of a recorded name; nothing for pure numbers and unknown names."""
    unit = described()[key].unit if key in described() else ""
    return "" if unit in ("1", "mixed") else unit


def _legend(lines: Sequence[Line], title: str) -> Markup:
    items = []
    for index, line in enumerate(lines):
        last = number(float(line.values[-1])) if len(line.values) else "nothing"
        swatch = tag("i", class_=f"swatch {colour(line, index)}")
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
