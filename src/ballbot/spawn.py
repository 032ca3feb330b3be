"""Where and how an episode starts: never inside the ground, upright but for a drawn tilt."""

import numpy as np
from numba import njit

from ballbot.config import Start
from ballbot.model.parameters import RobotParameters

Array = np.ndarray
CLEARANCE = 5e-4
"""Gap (m) left below the ball."""


def start_state(
    robot: RobotParameters,
    start: Start,
    ground: "Array | None",
    half_size: float,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """Draw an initial state.

    Args:
        robot: The robot.
        start: Spread of initial states.
        ground: Elevations (n, n) in metres, or None for a plane at 0.
        half_size: Half the side of the ground (m).
        rng: Source of randomness.

    Returns:
        Pose of the base (7,), position of the ball (3,), velocity of the base (3,).
    """
    tilt = np.deg2rad(start.tilt_deg) * np.sqrt(rng.uniform())
    toward, heading, moving, where = rng.uniform(-np.pi, np.pi, 4)
    heading *= start.heading_deg / 180
    speed = start.speed * np.sqrt(rng.uniform())
    distance = start.distance * np.sqrt(rng.uniform())
    x, y = distance * np.cos(where), distance * np.sin(where)
    ball = np.array([x, y, resting_height(robot.ball.radius, ground, half_size, x, y)])
    quat = _tilted(tilt, toward, heading)
    up = np.array([np.sin(tilt) * np.cos(toward), np.sin(tilt) * np.sin(toward), np.cos(tilt)])
    pose = np.concatenate([ball + robot.base_height * up, quat])
    return pose, ball, speed * np.array([np.cos(moving), np.sin(moving), 0.0])


def resting_height(
    radius: float, ground: "Array | None", half_size: float, x: float, y: float
) -> float:
    """Return the height of the ball's centre (m) at which it just clears the ground at (x, y)."""
    if ground is None:
        return radius + CLEARANCE
    return _clear(radius, ground, half_size, x, y) + CLEARANCE


def _tilted(tilt: float, toward: float, heading: float) -> Array:
    """Quaternion, w first: turn by `heading`, then lean by `tilt` towards azimuth `toward`."""
    c, s = np.cos(tilt / 2), np.sin(tilt / 2)
    half = heading / 2
    return np.array(
        [c * np.cos(half), s * np.sin(half - toward), s * np.cos(half - toward), c * np.sin(half)]
    )


@njit(cache=True, nogil=True)
def _clear(radius, ground, half_size, x, y):  # noqa: ANN001, ANN202
    """Lift a sphere until no point below it, sampled finer than grid and sphere, is inside."""
    n = ground.shape[0]
    cell = 2 * half_size / (n - 1)
    fine = min(cell / 5, radius / 10)
    steps = int(radius / fine) + 1
    best = -1e9
    for a in range(-steps, steps + 1):
        for b in range(-steps, steps + 1):
            dx, dy = a * fine, b * fine
            d2 = dx * dx + dy * dy
            if d2 > radius * radius:
                continue
            u = min(max((x + dx + half_size) / cell, 0.0), n - 1.000001)
            v = min(max((y + dy + half_size) / cell, 0.0), n - 1.000001)
            best = max(best, _surface(ground, u, v) + np.sqrt(radius * radius - d2))
    return best


@njit(cache=True, nogil=True)
def _surface(ground, u, v):  # noqa: ANN001, ANN202
    """Height at grid coordinates; the higher of the two ways to split a cell into triangles."""
    i, j = int(u), int(v)
    p, q = u - i, v - j
    h00, h10 = ground[j, i], ground[j, i + 1]
    h01, h11 = ground[j + 1, i], ground[j + 1, i + 1]
    if p >= q:
        one = h00 + p * (h10 - h00) + q * (h11 - h10)
    else:
        one = h00 + q * (h01 - h00) + p * (h11 - h01)
    if p + q <= 1:
        other = h00 + p * (h10 - h00) + q * (h01 - h00)
    else:
        other = h11 + (1 - p) * (h01 - h11) + (1 - q) * (h10 - h11)
    return max(one, other)
