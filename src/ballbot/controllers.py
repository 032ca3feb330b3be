"""Classical controllers: the baseline a trained policy has to beat, and the audits' oracle.

`BalanceController` is a linear-quadratic regulator with an integrator. It does not know the robot's
equations: it watches a short experiment on the simulated robot, fits a linear model to it, and
solves for the gains, so it fits any robot file and control rate. `PidController` is the classical
tilt PID of the ballbot literature.

Both read the true state and are blind to the ground. They are called with robots, not
observations, and keep integrators that `reset` clears.
"""

from functools import cache

import numpy as np

from ballbot.config import EnvConfig
from ballbot.model.parameters import RobotParameters
from ballbot.model.wheels import wheel_frames
from ballbot.observations import in_heading_frame
from ballbot.robots import Robots

Array = np.ndarray
# Deviations that cost the same: lean (rad), lean rate (rad/s), velocity (m/s), its integral (m).
STATE_SCALES = np.array([0.05, 0.5, 0.15, 0.08])
ACTION_SCALE = 0.25
MAX_INTEGRAL = 0.6
MAX_ACCELERATION = 0.5
"""How fast the reference follows the commanded velocity (m/s^2): more makes it lean too far."""


def lean(robots: Robots) -> tuple[Array, Array]:
    """Return lean (rad) and lean rate (rad/s) in the heading frame, each (N, 2): forward, left."""
    state = robots.state
    axis = np.ascontiguousarray(state.rotation[:, :2, 2])
    spin = (state.rotation @ state.angular_velocity[:, :, None])[:, :, 0]
    rate = np.stack([spin[:, 1], -spin[:, 0]], axis=1)
    return in_heading_frame(axis, state.heading), in_heading_frame(rate, state.heading)


def mixing(robot: RobotParameters) -> Array:
    """Return wheel actions (3, 2) that push the ball forward and left, largest entry 1."""
    tangents = np.array([f.tangent[:2] for f in wheel_frames(robot)])
    return robot.wheels.direction * tangents / np.abs(tangents).max()


class BalanceController:
    """Keeps upright and follows a velocity.

    Args:
        robots: The robots to control.
        velocity: Commanded velocity in the world (m/s), (2,) or (N, 2); None: the robots' own
            command if they have one, else standing still.
    """

    def __init__(self, robots: Robots, velocity: Array | None = None) -> None:
        self._robots = robots
        self._velocity = velocity
        self._mixing = mixing(robots.robot)
        config = robots.config
        self._gains = balance_gains(
            config.robot, config.wheel_model, config.control_hz, config.timestep
        )
        self._integral = np.zeros((robots.num, 2))
        self._reference = np.zeros((robots.num, 2))

    def reset(self, which: Array | None = None) -> None:
        """Clear the integrators of the robots `which`, or of all."""
        robots = slice(None) if which is None else which
        self._integral[robots] = self._reference[robots] = 0

    def act(self) -> Array:
        """Return actions (N, 3) for the robots' present state."""
        robots, state = self._robots, self._robots.state
        wanted = robots.command if self._velocity is None else self._velocity
        dt = robots.config.control_dt
        limit = MAX_ACCELERATION * dt
        self._reference += np.clip(wanted - self._reference, -limit, limit)
        error = in_heading_frame(state.velocity[:, :2] - self._reference, state.heading)
        self._integral = np.clip(self._integral + error * dt, -MAX_INTEGRAL, MAX_INTEGRAL)
        angle, rate = lean(robots)
        features = np.stack([angle, rate, error, self._integral], axis=2)
        push = -(features @ self._gains)
        return np.clip(push @ self._mixing.T, -1, 1)


class PidController:
    """Tilt PID with gains of the published test (20, 15, 2 per radian) and correct wheel mixing.

    Args:
        robots: The robots to control.
        setpoint_deg: Wanted lean forward and left (degrees).
        gains: Proportional, integral and derivative gain.
    """

    def __init__(
        self,
        robots: Robots,
        setpoint_deg: tuple[float, float] = (0.0, 0.0),
        gains: tuple[float, float, float] = (20.0, 15.0, 2.0),
    ) -> None:
        self._robots = robots
        self._setpoint = np.deg2rad(setpoint_deg)
        self._gains = gains
        self._mixing = mixing(robots.robot)
        self._integral = np.zeros((robots.num, 2))

    def reset(self, which: Array | None = None) -> None:
        """Clear the integrators of the robots `which`, or of all."""
        self._integral[slice(None) if which is None else which] = 0

    def act(self) -> Array:
        """Return actions (N, 3) for the robots' present state."""
        angle, rate = lean(self._robots)
        error = angle - self._setpoint
        self._integral = np.clip(self._integral + error * self._robots.config.control_dt, -0.2, 0.2)
        kp, ki, kd = self._gains
        push = kp * error + ki * self._integral + kd * rate
        return np.clip(push @ self._mixing.T, -1, 1)


@cache
def balance_gains(
    robot: str, wheel_model: str, control_hz: float, timestep: float, rolls: int = 64
) -> Array:
    """Return the regulator's gains on lean, lean rate, velocity and its integral, (4,).

    Runs `rolls` short experiments with random pushes on flat ground, fits
    x' = A x + b u by least squares, and solves the discrete Riccati equation.
    """
    config = EnvConfig.model_validate(
        {
            "robot": robot,
            "wheel_model": wheel_model,
            "control_hz": control_hz,
            "timestep": timestep,
            "start": {"tilt_deg": 1.0, "speed": 0.0},
        }
    )
    before, inputs, after = _experiment(config, rolls)
    fit, *_ = np.linalg.lstsq(np.column_stack([before, inputs]), after, rcond=None)
    dt = config.control_dt
    a, b = np.zeros((4, 4)), np.zeros((4, 1))
    a[:3, :3], b[:3, 0] = fit[:3].T, fit[3]
    a[3, 3], a[3, :3], b[3, 0] = 1.0, dt * a[2, :3], dt * b[2, 0]
    q, r = np.diag(STATE_SCALES**-2), np.array([[ACTION_SCALE**-2]])
    return riccati_gain(a, b, q, r)[0]


def riccati_gain(a: Array, b: Array, q: Array, r: Array) -> Array:
    """Return K of the discrete linear-quadratic regulator u = -K x, by value iteration."""
    p, gain = q.copy(), np.zeros((b.shape[1], b.shape[0]))
    for _ in range(200_000):
        gain = np.linalg.solve(r + b.T @ p @ b, b.T @ p @ a)
        new = q + a.T @ p @ (a - b @ gain)
        if np.abs(new - p).max() < 1e-9 * np.abs(new).max():
            break
        p = new
    return gain


def _experiment(config: EnvConfig, rolls: int) -> tuple[Array, Array, Array]:
    """Push robots at random; return states before (M, 3), inputs (M,) and states after (M, 3)."""
    robots = Robots(config, rolls, batched=True)
    robots.rngs = [np.random.default_rng(seed) for seed in range(rolls)]
    robots.reset(np.arange(rolls))
    rng = np.random.default_rng(rolls)
    mix = mixing(robots.robot)
    hold = max(1, round(config.control_hz / 50))
    before, inputs, after = [], [], []
    push = np.zeros((rolls, 2))
    for step in range(round(0.4 * config.control_hz)):
        if step % hold == 0:
            push = rng.uniform(-0.15, 0.15, (rolls, 2))
        x = _planar(robots)
        robots.step(push @ mix.T)
        if step >= 0.1 * config.control_hz:  # after the robots have settled on their wheels
            before.append(x)
            inputs.append(push.ravel())
            after.append(_planar(robots))
    return np.concatenate(before), np.concatenate(inputs), np.concatenate(after)


def _planar(robots: Robots) -> Array:
    """Lean, lean rate and velocity of both axes of every robot, (2N, 3)."""
    angle, rate = lean(robots)
    velocity = in_heading_frame(robots.state.velocity[:, :2], robots.state.heading)
    return np.stack([angle.ravel(), rate.ravel(), velocity.ravel()], axis=1)
