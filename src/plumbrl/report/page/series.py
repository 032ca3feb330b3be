"""Curves made small enough for a page, and the scales that they are drawn on."""

from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np

Array = np.ndarray
DECADES = 2.5
"""Powers of ten that positive values must span before their axis is logarithmic."""
OUTLYING = 20.0
"""The axis leaves outliers out if with them it was so many times as long."""
ENDS = (2.0, 98.0)
"""Percentiles between which values are no outliers."""


def thinned(steps: Array, values: Array, most: int) -> tuple[Array, Array]:
    """Return at most so many points of a curve; the first, the last, peaks and dips are kept.

    Args:
        steps: (n,).
        values: Finite, (n,).
        most: Points to keep, at least 4.
    """
    if len(values) <= most:
        return steps, values
    kept = {0, len(values) - 1}
    for part in np.array_split(np.arange(1, len(values) - 1), (most - 2) // 2):
        kept |= {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
    rows = sorted(kept)
    return steps[rows], values[rows]


@dataclass(frozen=True)
class Scale:
    """Where on an axis values lie.

    Attributes:
        low: At its beginning.
        high: At its end.
        logarithmic: Whether equal lengths are equal factors.
    """

    low: float
    high: float
    logarithmic: bool = False

    def at(self, values: Array | float) -> Array:
        """Return shares of the axis' length; beyond [0, 1] lies what is off the axis."""
        low, high = self._bent(self.low), self._bent(self.high)
        return (self._bent(values) - low) / ((high - low) or 1.0)

    def _bent(self, values: Array | float) -> Array:
        if not self.logarithmic:
            # Halves, so that the difference of the largest numbers stays finite.
            return np.asarray(values, dtype=np.float64) / 2
        return np.log10(np.maximum(values, 1e-300))

    def ticks(self, most: int = 5) -> list[float]:
        """Return round numbers on the axis."""
        if not self.logarithmic:
            return round_numbers(self.low, self.high, most)
        first, last = ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9)
        stride = max(1, ceil((last - first + 1) / most))
        return [10.0**power for power in range(first, last + 1, stride)]


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten between two numbers."""
    rough = (high / 2 - low / 2) * 2 / max(1, most - 1)
    if not np.isfinite(rough) or rough <= 0:
        return [low]
    power = 10.0 ** floor(log10(rough))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    if not np.isfinite(step) or low + step == low:
        return [low]
    first = ceil(low / step - 1e-9)
    return [n * step for n in range(first, floor(high / step + 1e-9) + 1)]


def scale_of(values: Array, include: list[float]) -> Scale:
    """Return the scale that shows values, and what they are compared with.

    Args:
        values: Finite, (n,).
        include: Numbers that must be on it.
    """
    extra = np.array([x for x in include if np.isfinite(x)])
    everything = np.concatenate([values, extra])
    if not len(everything):
        return Scale(0.0, 1.0)
    low, high = float(everything.min()), float(everything.max())
    if low > 0 and high / low > 10**DECADES:
        return Scale(low / 1.4, min(high * 1.4, 1e308), logarithmic=True)
    inner = np.concatenate([np.percentile(values, ENDS) if len(values) else extra, extra])
    near, far = float(inner.min()), float(inner.max())
    if far > near and high / 2 - low / 2 > OUTLYING * (far / 2 - near / 2):
        room = (far - near) / 4
        low, high = max(low, near - room), min(high, far + room)
    return _padded(low, high)


def _padded(low: float, high: float) -> Scale:
    """Leave room at both ends, though not below 0 where nothing is."""
    half = high / 2 - low / 2
    room = 0.12 * half if half > 0 else abs(low) / 4 or 1.0
    bottom, top = max(low - room, -1e308), min(high + room, 1e308)
    return Scale(0.0 if low >= 0 > bottom else bottom, top)
