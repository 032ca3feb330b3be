"""What one can say about the robots from qpos and qvel alone.

MuJoCo's derived quantities (xpos, xmat, sensors) lag one step behind after an implicitfast step;
these do not. One compiled loop over the robots: the result for a robot does not depend on how
many stand beside it, to the last bit.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

Array = np.ndarray


@dataclass(frozen=True)
class State:
    """The robots' state; `N` robots, world frame unless said otherwise, SI units.

    Attributes:
        position: Origin of the base frame, (N, 3).
        rotation: Base frame to world, (N, 3, 3).
        rotation_vector: Axis times angle of `rotation`, angle in [0, pi], (N, 3).
        tilt: Angle between the base's z axis and straight up (rad), (N,).
        heading: Yaw of the base's x axis (rad) in [-pi, pi], (N,).
        velocity: Of the base frame's origin, (N, 3).
        velocity_heading: Horizontal velocity in the frame turned by `heading`, (N, 2).
        angular_velocity: In the base frame, (N, 3).
        ball_position: Centre of the ball, (N, 3).
        wheel_speed: Motor speeds (rad/s), (N, 3).
        finite: Whether every number of the physical state is finite and of sane size, (N,).
    """

    position: Array
    rotation: Array
    rotation_vector: Array
    tilt: Array
    heading: Array
    velocity: Array
    velocity_heading: Array
    angular_velocity: Array
    ball_position: Array
    wheel_speed: Array
    finite: Array

    @classmethod
    def empty(cls, num: int) -> "State":
        """Return a state of zeros for `num` robots."""
        shapes = [(3,), (3, 3), (3,), (), (), (3,), (2,), (3,), (3,), (3,)]
        arrays = [np.zeros((num, *s)) for s in shapes]
        return cls(*arrays, finite=np.ones(num, dtype=bool))


@dataclass(frozen=True)
class Layout:
    """Where things are in qpos and qvel: start of each joint."""

    base_qpos: int
    base_qvel: int
    ball_qpos: int
    motor_qvel: Array


SANE_SPEED = 1e3


def read_state(qpos: Array, qvel: Array, layout: Layout, out: State) -> None:
    """Fill `out` from the physical state.

    Args:
        qpos: (N, nq).
        qvel: (N, nv).
        layout: Where things are.
        out: Written in place.
    """
    _read(
        qpos,
        qvel,
        layout.base_qpos,
        layout.base_qvel,
        layout.ball_qpos,
        layout.motor_qvel,
        out.position,
        out.rotation,
        out.rotation_vector,
        out.tilt,
        out.heading,
        out.velocity,
        out.velocity_heading,
        out.angular_velocity,
        out.ball_position,
        out.wheel_speed,
        out.finite,
    )


@njit(cache=True, nogil=True)
def _read(  # noqa: ANN202
    qpos,  # noqa: ANN001
    qvel,  # noqa: ANN001
    bp,  # noqa: ANN001
    bv,  # noqa: ANN001
    pp,  # noqa: ANN001
    motors,  # noqa: ANN001
    position,  # noqa: ANN001
    rotation,  # noqa: ANN001
    rotation_vector,  # noqa: ANN001
    tilt,  # noqa: ANN001
    heading,  # noqa: ANN001
    velocity,  # noqa: ANN001
    velocity_heading,  # noqa: ANN001
    angular_velocity,  # noqa: ANN001
    ball_position,  # noqa: ANN001
    wheel_speed,  # noqa: ANN001
    finite,  # noqa: ANN001
):
    for i in range(qpos.shape[0]):
        w, x, y, z = qpos[i, bp + 3], qpos[i, bp + 4], qpos[i, bp + 5], qpos[i, bp + 6]
        norm = np.sqrt(w * w + x * x + y * y + z * z)
        w, x, y, z = w / norm, x / norm, y / norm, z / norm
        r = rotation[i]
        r[0, 0], r[0, 1], r[0, 2] = (
            1 - 2 * (y * y + z * z),
            2 * (x * y - w * z),
            2 * (x * z + w * y),
        )
        r[1, 0], r[1, 1], r[1, 2] = (
            2 * (x * y + w * z),
            1 - 2 * (x * x + z * z),
            2 * (y * z - w * x),
        )
        r[2, 0], r[2, 1], r[2, 2] = (
            2 * (x * z - w * y),
            2 * (y * z + w * x),
            1 - 2 * (x * x + y * y),
        )
        vector = np.sqrt(x * x + y * y + z * z)
        sign = 1.0 if w >= 0 else -1.0
        scale = 2 * sign * np.arctan2(vector, sign * w) / vector if vector > 1e-9 else 2 * sign
        rotation_vector[i, 0], rotation_vector[i, 1], rotation_vector[i, 2] = (
            scale * x,
            scale * y,
            scale * z,
        )
        tilt[i] = np.arctan2(np.sqrt(r[0, 2] * r[0, 2] + r[1, 2] * r[1, 2]), r[2, 2])
        heading[i] = np.arctan2(r[1, 0], r[0, 0])
        c, s = np.cos(heading[i]), np.sin(heading[i])
        vx, vy = qvel[i, bv], qvel[i, bv + 1]
        velocity_heading[i, 0], velocity_heading[i, 1] = c * vx + s * vy, c * vy - s * vx
        for k in range(3):
            position[i, k] = qpos[i, bp + k]
            velocity[i, k] = qvel[i, bv + k]
            angular_velocity[i, k] = qvel[i, bv + 3 + k]
            ball_position[i, k] = qpos[i, pp + k]
            wheel_speed[i, k] = qvel[i, motors[k]]
        sane = True
        for k in range(qpos.shape[1]):
            sane = sane and np.isfinite(qpos[i, k])
        for k in range(qvel.shape[1]):
            sane = sane and np.abs(qvel[i, k]) < SANE_SPEED
        finite[i] = sane
