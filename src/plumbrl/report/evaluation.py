"""Evaluations on the console: how often, how well, how, and where else."""

from collections.abc import Mapping, Sequence
from math import floor, log10

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from plumbrl.metrics.outcomes import Difference, Outcome
from plumbrl.metrics.statistics import Interval

WIDE = 110
"""Columns of a console from which tables show more."""
BEHAVIOUR = {
    "speed_along_target": ("speed m/s", 1.0),
    "velocity_error": ("error m/s", 1.0),
    "distance_at_end": ("distance m", 1.0),
    "tilt": ("tilt deg", 180 / np.pi),
    "seconds_at_end": ("seconds", 1.0),
    "action_effort": ("effort", 1.0),
    "action_change": ("change", 1.0),
}
"""What is shown of how a policy acted, where it is reported: header, factor to its unit."""


def outcome_table(outcomes: Sequence[Outcome], title: str, width: int) -> Table:
    """Return a table of how often policies succeed, and how well they do."""
    wide = width >= WIDE
    failed = wide or any(abs(o.success.estimate + o.failure.estimate - 1) > 1e-9 for o in outcomes)
    table = _table(title, "policy")
    for header in ("success %", "return [95 %]", *(["IQM [95 %]"] if wide else ["IQM"]), "steps"):
        table.add_column(header, justify="right", no_wrap=True)
    if failed:
        table.add_column("failed %", justify="right", no_wrap=True)
    table.add_column("ends")
    for o in outcomes:
        middle = o.interquartile_return
        cells = [percent(o.success), number(o.returns)]
        cells += [number(middle) if wide else number(middle).partition(" ")[0]]
        cells += [f"{o.steps.estimate:.0f}", *([percent(o.failure)] if failed else [])]
        table.add_row(o.policy, *cells, ends(o.causes))
    return table


def behaviour_table(outcomes: Sequence[Outcome], width: int) -> Table | None:
    """Return a table of how policies acted; None if the environment reports nothing."""
    shown = [name for name in BEHAVIOUR if all(name in o.metrics for o in outcomes)]
    if not shown:
        return None
    table = _table("How: means over steps; effort is 1 at full action", "policy")
    for name in shown:
        table.add_column(BEHAVIOUR[name][0], justify="right", no_wrap=True)
    for o in outcomes:
        cells = [_scaled(o.metrics[name], BEHAVIOUR[name][1]) for name in shown]
        texts = [number(cell) for cell in cells]
        short = [text.partition(" ")[0] for text in texts]
        table.add_row(o.policy, *(texts if width >= WIDE + 10 * len(shown) else short))
    return table


def difference_table(differences: Sequence[Difference], title: str) -> Table:
    """Return a table of paired differences."""
    table = _table(title, "against")
    table.add_column("return [95 %]", justify="right", no_wrap=True)
    table.add_column("success %", justify="right", no_wrap=True)
    for d in differences:
        table.add_row(d.against, number(d.returns, sign=True), percent(d.success, sign=True))
    return table


def ground_table(
    outcomes: Mapping[str, Outcome],
    shifts: Mapping[str, Sequence[Difference]],
    baseline: str | None,
    width: int,
) -> Table:
    """Return a table of the policy on other grounds.

    Args:
        outcomes: Of the policy by ground, first the one it is compared with.
        shifts: By ground: against itself on the first, and against the baseline.
        baseline: Name of the baseline, if there is one.
        width: Of the console.
    """
    wide = width >= WIDE
    table = _table("Elsewhere: the same policy and seeds on other grounds", "ground")
    headers = ["success %", *(["return [95 %]"] if wide else []), "change of return"]
    headers += [f"over {baseline}"] if baseline else []
    headers += ["speed m/s", "ends"] if wide else []
    for header in headers:
        table.add_column(header, justify="right", no_wrap=header != "ends")
    for ground, o in outcomes.items():
        moved, *over = shifts.get(ground, ()) or (None,)
        cells = [percent(o.success), *([number(o.returns)] if wide else [])]
        cells += [number(moved.returns, sign=True) if moved else ""]
        cells += [number(d.returns, sign=True) for d in over] or [""] * bool(baseline)
        if wide:
            speed = o.metrics.get("speed_along_target")
            cells += [f"{speed.estimate:.2f}" if speed else "", ends(o.causes)]
        table.add_row(ground, *cells)
    return table


def number(interval: Interval, *, sign: bool = False) -> str:
    """Return an interval in three significant digits of its largest number."""
    values = (interval.estimate, interval.low, interval.high)
    largest = max(abs(v) for v in values)
    digits = min(3, max(0, 2 - floor(log10(largest)))) if largest > 1e-9 else 0
    first, low, high = (f"{v + 0.0:{'+' if sign else ''}.{digits}f}" for v in values)
    return f"{first} [{low}, {high}]"


def percent(interval: Interval, *, sign: bool = False) -> str:
    """Return a rate and its interval in whole percent."""
    form = f"{'+' if sign else ''}.0f"
    values = (100 * v for v in (interval.estimate, interval.low, interval.high))
    first, low, high = (f"{v + 0.0:{form}}" for v in values)
    return f"{first} [{low}, {high}]"


def ends(causes: Mapping[str, int]) -> str:
    """Return how often each cause ended an episode, the most frequent first."""
    ordered = sorted(causes.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{cause} {count}" for cause, count in ordered)


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column(first, no_wrap=True)
    return table


def _scaled(interval: Interval, factor: float) -> Interval:
    return Interval(*(factor * v for v in (interval.estimate, interval.low, interval.high)))
