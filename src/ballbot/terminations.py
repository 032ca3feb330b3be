"""Why an episode ends: a fall or a diverged simulation terminates, everything else truncates."""

from enum import IntEnum

import numpy as np

Array = np.ndarray


class Cause(IntEnum):
    """Causes in order of precedence: the smallest that applies is reported."""

    DIVERGED = 0
    """The simulation left the numbers a robot can have; the last good observation is kept."""
    TILT_EXCEEDED = 1
    LEFT_TERRAIN = 2
    """The robot came to the edge of the simulated ground: not its fault, so it truncates."""
    MAX_STEPS = 3
    NONE = 4

    @property
    def label(self) -> str:
        """The name in ``info["termination"]``."""
        return self.name.lower()


DIVERGED, TILT_EXCEEDED, LEFT_TERRAIN, MAX_STEPS, NONE = map(int, Cause)  # enums are slow


def end_causes(*, diverged: Array, fallen: Array, outside: Array, out_of_time: Array) -> Array:
    """Return the cause that ends each episode, `Cause.NONE` where it goes on, (N,)."""
    causes = np.where(out_of_time, MAX_STEPS, NONE)
    causes[outside] = LEFT_TERRAIN
    causes[fallen] = TILT_EXCEEDED
    causes[diverged] = DIVERGED
    return causes


def split(causes: Array) -> tuple[Array, Array]:
    """Return (terminated, truncated), each (N,); never both."""
    terminated = causes <= TILT_EXCEEDED
    return terminated, (causes != NONE) & ~terminated
