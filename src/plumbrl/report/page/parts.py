"""What charts are made of."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from plumbrl.history import History
from plumbrl.report.page.series import Array, Scale


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
    healthy: Literal["above", "below"]
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
