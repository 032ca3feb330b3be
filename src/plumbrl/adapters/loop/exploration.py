"""The share of random actions that a loop tells, over its whole training."""

from collections.abc import Iterator

from plumbrl.findings import Evidence
from plumbrl.oracles.compare import Outcome, found, passed

NAME = "random actions become rarer"
MANY, EARLY, LEAST = 0.5, 0.01, 2000
"""Share in the end that is too many; share of the training by which a decay is over too early; and
timesteps of a training that is judged."""


class Exploration:
    """Remembers when epsilon changed."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._last = 0.0

    def tell(self, step: float, epsilon: float) -> None:
        """Take epsilon at a timestep."""
        self._last = step
        if not self._points or abs(self._points[-1][1] - epsilon) > 0.01:
            self._points.append((step, epsilon))

    def outcomes(self) -> Iterator[Outcome]:
        """Judge the schedule, once the loop is over."""
        if not self._points or self._last < LEAST:
            return
        first, end = (max(e for _, e in self._points), self._points[-1][1])
        reached = next(s for s, e in self._points if e <= end + 0.05 * (first - end))
        if end > MANY:
            told, share = f"they end at {end:.3g}", Evidence("epsilon", end, "0.01 to 0.1")
            yield found(NAME, "configuration.exploration-never-decays", told, share,
                        confidence=0.9)  # fmt: skip
        elif first - end > MANY and reached < EARLY * self._last:
            told = f"they end at step {reached:,.0f} of {self._last:,.0f}"
            over = Evidence("share of the training with decay", reached / self._last, f">= {EARLY}")
            yield found(NAME, "configuration.exploration-decays-early", told, over, confidence=0.8)
        else:
            yield passed(NAME, len(self._points), 0.0)
