"""From actions to torques to motion: latency, motor gains, and the bookkeeping of sphere wheels."""

import mujoco
import numpy as np

from ballbot.config import EnvConfig
from ballbot.physics import Physics, wheel_hinges
from ballbot.randomization import Variation

Array = np.ndarray
UNTOUCHED_S = 0.01
"""Longest time (s) between two times that sphere wheels are set back. The passive hinge leaves the
tangent by the angle the wheel turns meanwhile, which changes its inertia but not the direction it
rolls in: over 6 s at 1 m/s, 0.01 s differs from every step by 0.1 mm, and calls are fewer."""


class Actuation:
    """The motors of N robots.

    Attributes:
        action: Clipped action in force, (N, 3).
        wheel_angle: Angle turned by each motor since the start of the episode (rad), (N, 3).
    """

    def __init__(self, config: EnvConfig, model: mujoco.MjModel, num: int) -> None:
        self._per_action = config.steps_per_action
        self._sphere = config.wheel_model == "sphere"
        motors, hinges = wheel_hinges(model, config.wheel_model)
        self.motors, self.hinges = _as_slice(motors), _as_slice(hinges)
        self.action = np.zeros((num, 3))
        self.wheel_angle = np.zeros((num, 3))
        slowest = np.ceil(config.randomization.latency_ms[1] / (1000 * config.timestep))
        self._history = np.zeros((1 + int(np.ceil(slowest / self._per_action)), num, 3))
        self._all = np.arange(num)

    def clear(self, i: int) -> None:
        """Forget robot `i`'s past: a new episode starts with no torque."""
        self.action[i] = self._history[:, i] = self.wheel_angle[i] = 0

    def advance(self, physics: Physics, variation: Variation) -> None:
        """Hold the action for one control step, and set sphere wheels back."""
        late = len(self._history) > 1
        self._history[1:] = self._history[:-1]
        np.multiply(self.action, variation.motor_gain, out=self._history[0])
        if not late:
            physics.ctrl[:] = self._history[0]
        chunk = 1 if late else max(1, round(UNTOUCHED_S / physics.models[0].opt.timestep))
        for k in range(0, self._per_action, chunk):
            if late:
                ago = np.maximum(0, -((k - variation.delay) // self._per_action))
                physics.ctrl[:] = self._history[ago, self._all]
            physics.step(min(chunk, self._per_action - k))
            if self._sphere:
                self.wheel_angle += physics.qpos[:, self.motors]
                physics.qpos[:, self.hinges] = 0.0
        if not self._sphere:
            self.wheel_angle[:] = physics.qpos[:, self.motors]


def _as_slice(addresses: Array) -> Array | slice:
    """Return equally spaced addresses as a slice, which numpy reads without copying."""
    if len(addresses) < 2:
        return addresses
    step = int(addresses[1] - addresses[0])
    if (np.diff(addresses) != step).any():
        return addresses
    return slice(int(addresses[0]), int(addresses[-1]) + 1, step)
