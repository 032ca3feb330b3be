"""Depth cameras with their own frame rate: an image is made when one is due, and has an age."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ballbot.config import Cameras
from ballbot.kinematics import State
from ballbot.model.parameters import RobotParameters
from ballbot.model.wheels import wheel_frames
from ballbot.raymarch import render

Array = np.ndarray


def euler_matrix(euler_deg: tuple[float, float, float]) -> Array:
    """Return the rotation of intrinsic x-y-z angles (degrees), (3, 3)."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(euler_deg)):
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


class DepthCameras:
    """The depth cameras of N robots.

    Attributes:
        images: Last images, (N, C, H, W) uint8: 255 is `max_depth` or farther.
        captured: Episode time (s) at which each robot's images were made, (N,).
    """

    def __init__(
        self, config: Cameras, robot: RobotParameters, num: int, half_size: float, scale: float
    ) -> None:
        self._config = config
        self._positions = np.array([c.pos for c in robot.cameras])
        self._rotations = np.array([euler_matrix(c.euler) for c in robot.cameras])
        self._tangents = np.array([np.tan(np.deg2rad(c.fovy_deg) / 2) for c in robot.cameras])
        self._wheels = np.array([f.center for f in wheel_frames(robot)])
        self._radii = np.array([robot.ball.radius] + 3 * [robot.wheels.radius])
        self._half_size, self._scale = half_size, scale
        shape = (num, len(robot.cameras), config.height, config.width)
        self._depth = np.zeros(shape, dtype=np.float32)
        self.images = np.zeros(shape, dtype=np.uint8)
        self.captured = np.zeros(num)
        self._frame = np.zeros(num, dtype=np.int64)
        self._threads = min(os.cpu_count() or 1, num)
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def update(self, robots: Array, time: Array, state: State, ground: Array) -> None:
        """Make new images for those of `robots` whose next frame is due.

        Frame k is due at k / rate_hz; it is made at the first control step at or after that.

        Args:
            robots: Indices of the robots to look at, (M,).
            time: Episode time of every robot (s), (N,).
            state: Their state.
            ground: Normalised elevations, (N, n, n); n = 0 for a plane.
        """
        frame = np.floor(time[robots] * self._config.rate_hz + 1e-6).astype(np.int64)
        fresh = (frame > self._frame[robots]) | (time[robots] == 0)
        due = robots[fresh]
        if len(due) == 0:
            return
        self._frame[due], self.captured[due] = frame[fresh], time[due]
        self._render(due, state, ground)
        depth = self._depth[due] * (255 / self._config.max_depth)
        self.images[due] = np.rint(np.minimum(depth, 255)).astype(np.uint8)

    def depth(self, state: State, ground: Array) -> Array:
        """Return the depth (m) of every robot's cameras now, float32 (N, C, H, W)."""
        self._render(np.arange(len(self.images)), state, ground)
        return self._depth.copy()

    def _render(self, robots: Array, state: State, ground: Array) -> None:
        rotation = state.rotation[:, None]
        positions = state.position[:, None] + _turn(rotation, self._positions)
        wheels = state.position[:, None] + _turn(rotation, self._wheels)
        spheres = np.concatenate([state.ball_position[:, None], wheels], axis=1)
        rotations = _compose(rotation, self._rotations)
        cuts = np.linspace(0, len(robots), 4 * self._threads + 1).astype(np.int64)
        fixed = (self._tangents, spheres, self._radii, ground, self._half_size, self._scale)

        def work(first: int, last: int) -> None:
            far = self._config.max_depth
            render(first, last, robots, positions, rotations, *fixed, far, self._depth)

        if self._pool is None:
            work(0, len(robots))
        else:
            list(self._pool.map(work, cuts[:-1], cuts[1:]))


def _turn(rotation: Array, vectors: Array) -> Array:
    """Rotate vectors (K, 3) by rotations (N, 1, 3, 3); elementwise, so the same for any N."""
    return (
        rotation[..., 0] * vectors[:, 0:1]
        + rotation[..., 1] * vectors[:, 1:2]
        + rotation[..., 2] * vectors[:, 2:3]
    )


def _compose(rotation: Array, frames: Array) -> Array:
    """Multiply rotations (N, 1, 3, 3) with frames (C, 3, 3); elementwise."""
    columns = [_turn(rotation, frames[:, :, k]) for k in range(3)]
    return np.stack(columns, axis=-1)
