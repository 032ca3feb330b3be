"""Durations in numbers, and whether they stay what they are."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
PARTS = 10
"""Stretches of equal length in which durations are compared."""
STEADY = 0.7
"""Kendall's tau of the stretches' medians from which they rise: by chance, 2 in 1,000 do."""
GROWN, GROWN_WITHIN = 1.3, 1.5
"""Ratio of late to early steps from which they grow: over a run, and within episodes, where what
is simulated may differ (contacts after a fall)."""
LEAST = 100
"""Durations below which nothing is said about growth."""
SPIKE, SPIKES = 10.0, 0.2
"""Steps that take so many medians are rare long ones, told if they take this share of the time."""


@dataclass(frozen=True)
class Times:
    """Durations of calls, in seconds."""

    count: int
    mean: float
    std: float
    p50: float
    p95: float
    p99: float

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return 1 / self.mean if self.mean else float("inf")

    @classmethod
    def of(cls, seconds: Array) -> "Times":
        """Return the numbers of durations (n,), n at least 1."""
        p50, p95, p99 = np.percentile(seconds, (50, 95, 99))
        return cls(
            len(seconds),
            float(np.mean(seconds)),
            float(np.std(seconds)),
            *map(float, (p50, p95, p99)),
        )


def growth(seconds: Array) -> float | None:
    """Return how much longer the last stretch takes than the first; None if it does not grow.

    Medians of ten stretches are compared, so that a few long calls do not count.

    Args:
        seconds: Durations in their order, (n,).
    """
    return _rise([np.median(part) for part in np.array_split(seconds, PARTS)], len(seconds), GROWN)


def growth_within(seconds: Array, ages: Array) -> float | None:
    """Return how much longer steps late in an episode take than early ones; None if they do not.

    Args:
        seconds: Durations, (n,).
        ages: Steps since the episode began, (n,).
    """
    order = np.argsort(ages, kind="stable")
    late = [np.median(part) for part in np.array_split(seconds[order], PARTS)]
    return _rise(late, len(seconds), GROWN_WITHIN)


def spikes(seconds: Array) -> tuple[float, float] | None:
    """Return the share of rare long steps among steps and of the time; None if that is little."""
    long = seconds > SPIKE * np.median(seconds)
    share = float(seconds[long].sum() / seconds.sum())
    return (float(long.mean()), share) if share >= SPIKES else None


def _rise(medians: list[np.floating], count: int, least: float) -> float | None:
    if count < LEAST or medians[0] <= 0:
        return None
    values = np.array(medians)
    above = np.sign(values[None] - values[:, None])[np.triu_indices(len(values), 1)]
    ratio = float(np.mean(values[-2:]) / np.mean(values[:2]))
    return ratio if above.mean() >= STEADY and ratio >= least else None
