"""One episode on the page: what the value function said, above the rewards that came."""

from plumbrl.report.page.chart import chart
from plumbrl.report.page.markup import Markup, tag
from plumbrl.report.page.numbers import count
from plumbrl.report.page.parts import Frame, Line
from plumbrl.snapshots.trace import Trace

QUESTION = "Does the value foresee the rewards?"
CURVES = 3
TOLD = (
    "It does where the value moves with its target, and so before the reward comes. It does not "
    "where it is flat, moves only after rewards, or lies far from the target all along. Where a "
    "time limit ends the episode, the last reward may hold what was expected beyond it."
)


def episode(trace: Trace | None, most: int) -> Markup:
    """Return the values of an episode, and its rewards beneath; nothing without one.

    Args:
        trace: The episode.
        most: Points of a curve.
    """
    if trace is None:
        return Markup()
    frame = Frame(0.0, float(trace.at[-1]), most)
    values = [Line("value", trace.at, trace.values), Line("target", trace.at, trace.returns)]
    rewards = [Line("reward", trace.at, trace.rewards)]
    said = f"Step by step through one episode of training, which ended by step {count(trace.step)}."
    return tag(
        "details",
        tag("summary", tag("h3", QUESTION), tag("span", "2 charts", class_="dim")),
        tag("p", f"{said} {TOLD}", class_="dim"),
        tag("div", chart("Value estimates and their targets", values, frame, unit="return"),
            chart("Rewards", rewards, frame, unit="reward"), class_="stack"),
        class_="group", open=True,
    )  # fmt: skip
