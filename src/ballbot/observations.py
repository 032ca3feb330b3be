"""Proprioception as named terms: each a small function of what the robots know."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ballbot.kinematics import State

Array = np.ndarray


@dataclass(frozen=True)
class Sensed:
    """What the terms are computed from; `N` robots."""

    state: State
    last_action: Array
    """(N, 3)."""
    target: Array
    """In the world: direction, vector to the goal (m), or commanded velocity (m/s), (N, 2)."""
    command_heading: Array
    """Commanded heading (rad), (N,)."""
    no_load_speed: float
    """Wheel speed (rad/s) that counts as 1."""


@dataclass(frozen=True)
class Term:
    """One named part of proprioception.

    Attributes:
        names: A name per entry.
        limit: Entries are clipped to plus or minus this.
        compute: Returns (N, len(names)).
        noisy: Whether it is measured, so that sensor noise applies.
    """

    names: tuple[str, ...]
    limit: float
    compute: Callable[[Sensed], Array]
    noisy: bool = True


def in_heading_frame(vector: Array, heading: Array) -> Array:
    """Turn world vectors (N, 2) into the frames that look along `heading` (N,)."""
    c, s = np.cos(heading), np.sin(heading)
    turned = np.empty_like(vector)
    turned[:, 0] = c * vector[:, 0] + s * vector[:, 1]
    turned[:, 1] = c * vector[:, 1] - s * vector[:, 0]
    return turned


def _unit(angle: Array) -> Array:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


XYZ = ("x", "y", "z")
WHEELS = ("0", "1", "2")


def _names(prefix: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}_{part}" for part in parts)


TERMS: dict[str, Term] = {
    "up": Term(_names("up", XYZ), 1.0, lambda s: s.state.rotation[:, 2, :]),
    "heading": Term(("heading_cos", "heading_sin"), 1.0, lambda s: _unit(s.state.heading)),
    "orientation": Term(_names("orientation", XYZ), np.pi, lambda s: s.state.rotation_vector),
    "angular_velocity": Term(
        _names("angular_velocity", XYZ), 10.0, lambda s: s.state.angular_velocity
    ),
    "velocity": Term(_names("velocity", XYZ), 3.0, lambda s: s.state.velocity),
    "velocity_heading": Term(
        ("velocity_forward", "velocity_left"), 3.0, lambda s: s.state.velocity_heading
    ),
    "wheel_speed": Term(
        _names("wheel_speed", WHEELS), 2.0, lambda s: s.state.wheel_speed / s.no_load_speed
    ),
    "last_action": Term(_names("last_action", WHEELS), 1.0, lambda s: s.last_action, noisy=False),
    "target": Term(
        ("target_forward", "target_left"),
        10.0,
        lambda s: in_heading_frame(s.target, s.state.heading),
        noisy=False,
    ),
    "heading_error": Term(
        ("heading_error_cos", "heading_error_sin"),
        1.0,
        lambda s: _unit(s.command_heading - s.state.heading),
        noisy=False,
    ),
}
"""up: straight up, seen from the base. orientation: rotation vector; it wraps with yaw, kept
because the published robot observes it. wheel_speed: share of the no-load speed."""


def names(terms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the name of every entry of proprioception."""
    return tuple(name for term in terms for name in TERMS[term].names)


def limits(terms: tuple[str, ...]) -> Array:
    """Return the bound of every entry, float32 (D,)."""
    return np.array([TERMS[t].limit for t in terms for _ in TERMS[t].names], dtype=np.float32)


def noise_scale(terms: tuple[str, ...]) -> Array:
    """Return how far noise of 1 moves every entry: its bound if it is measured, else 0, (D,)."""
    return np.array([TERMS[t].limit * TERMS[t].noisy for t in terms for _ in TERMS[t].names])


def proprioception(
    terms: tuple[str, ...], sensed: Sensed, bound: Array, noise: Array | None = None
) -> Array:
    """Return the observation vector, clipped to its bounds, float32 (N, D).

    Args:
        terms: Which terms, in which order.
        sensed: What they are computed from.
        bound: `limits` of the terms, (D,).
        noise: Added before clipping, (N, D).
    """
    values = np.concatenate([TERMS[t].compute(sensed) for t in terms], axis=1)
    if noise is not None:
        values = values + noise
    clipped = values.astype(np.float32)
    np.minimum(clipped, bound, out=clipped)
    return np.maximum(clipped, -bound, out=clipped)
