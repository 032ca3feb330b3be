"""Seconds to spend."""

import time
from collections.abc import Callable


class Budget:
    """Seconds that a part of an audit may take.

    Args:
        seconds: In all.
        now: A clock in seconds.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._end = now, now() + seconds

    @property
    def left(self) -> float:
        """Seconds left; 0 when it is over."""
        return max(0.0, self._end - self._now())

    @property
    def over(self) -> bool:
        """Whether it is spent."""
        return self.left == 0

    def part(self, share: float) -> "Budget":
        """Return a budget of a share in (0, 1] of what is left."""
        return Budget(self.left * share, self._now)
