"""N robots, each with its own random stream, ground and episode: what both environments share."""

from dataclasses import dataclass

import mujoco
import numpy as np

from ballbot import observations, randomization, rewards, spawn
from ballbot.cameras import DepthCameras
from ballbot.config import EnvConfig
from ballbot.errors import UserError
from ballbot.kinematics import State, read_state
from ballbot.model.mjcf import Ground, build_model, set_terrain
from ballbot.model.parameters import load_robot
from ballbot.physics import BatchPhysics, Physics, SinglePhysics, layout_of, wheel_hinges
from ballbot.terminations import Cause, end_causes, split
from ballbot.terrain import Flat, generate
from ballbot.terrain.generate import max_height

Array = np.ndarray
EDGE = 0.4
"""Distance (m) from the edge of the ground at which an episode ends."""


@dataclass(frozen=True)
class Outcome:
    """What a control step did to N robots; all arrays (N,) unless said otherwise.

    Attributes:
        reward: Sum of `terms`.
        terms: Reward terms by name, integrated over the step.
        terminated: Fallen or diverged.
        truncated: Out of time or ground.
        causes: A `Cause` each.
    """

    reward: Array
    terms: dict[str, Array]
    terminated: Array
    truncated: Array
    causes: Array


class Robots:
    """N simulated ballbots.

    Attributes:
        config: The environment's configuration.
        robot: The robot's parameters.
        physics: The simulations; `physics.models[i]` is robot i's own model.
        state: State after the last step or reset.
        time: Episode time (s), (N,).
        wheel_angle: Angle turned by each motor since the start of the episode (rad), (N, 3).
        command: Commanded velocity in the world (m/s), (N, 2).
        command_heading: Commanded heading (rad), (N,).
    """

    def __init__(self, config: EnvConfig, num: int, *, batched: bool, num_threads: int = 0) -> None:
        self.config = config
        self.num = num
        self.robot = load_robot(config.robot)
        self._model = _model(config)
        self.physics: Physics = (
            BatchPhysics(self._model, num, num_threads)
            if batched
            else SinglePhysics(_model(config))
        )
        self._layout = layout_of(self._model)
        self._motors, self._hinges = (
            _as_slice(a) for a in wheel_hinges(self._model, config.wheel_model)
        )
        self.state, self._previous = State.empty(num), State.empty(num)
        self.ground = np.zeros((num, *(2 * (self._resolution,))), dtype=np.float32)
        self._scale = 1.0 if isinstance(config.terrain, Flat) else max_height(config.terrain)
        self.cameras = (
            DepthCameras(config.cameras, self.robot, num, config.terrain.half_size, self._scale)
            if config.cameras.enabled
            else None
        )
        self._noise_scale = config.randomization.sensor_noise * observations.noise_scale(
            config.observation
        )
        noisy = config.randomization.sensor_noise > 0
        self._noise = np.zeros((num, len(self._noise_scale))) if noisy else None
        self.rngs = [np.random.default_rng() for _ in range(num)]
        self.time = np.zeros(num)
        self._steps = np.zeros(num, dtype=np.int64)
        self.action = np.zeros((num, 3))
        self._history = np.zeros((self._history_length, num, 3))
        self.wheel_angle = np.zeros((num, 3))
        self.origin = np.zeros((num, 2))
        self.command = np.zeros((num, 2))
        self.command_heading = np.zeros(num)
        self._next_command = np.full(num, np.inf)
        self._potential = np.zeros(num)
        self._variation = randomization.Variation.none(num)

    @property
    def _resolution(self) -> int:
        terrain = self.config.terrain
        return 0 if isinstance(terrain, Flat) else terrain.resolution

    @property
    def _history_length(self) -> int:
        steps = self.config.randomization.latency_ms[1] / (1000 * self.config.timestep)
        return 1 + int(np.ceil(np.ceil(steps) / self.config.steps_per_action))

    def reset(self, which: Array) -> None:
        """Start new episodes of the robots `which`, drawn from their own random streams."""
        which = np.asarray(which).tolist()
        changed = False
        for i in which:
            changed |= self._new_surroundings(i)
        if changed:
            self.physics.models_changed()
        for i in which:
            self._new_start(i)
        self._read_state()
        self._draw_noise(which)
        if self.config.shaping:
            self._potential[which] = self._phi()[which]
        if self.cameras:
            self.cameras.update(np.array(which), self.time, self.state, self.ground)

    def step(self, actions: Array) -> Outcome:
        """Hold the actions for one control step.

        Args:
            actions: Torques as shares of the maximum, (N, 3); values outside [-1, 1] are clipped.

        Raises:
            UserError: Wrong shape, or a NaN.
        """
        self._take(actions)
        self._push()
        self._advance()
        self._steps += 1
        self.time[:] = self._steps * self.config.control_dt
        diverged = self._read_state()
        causes = self._causes(diverged)
        outcome = self._judge(causes)
        self._resample_commands()
        self._draw_noise(list(range(self.num)))
        if self.cameras:
            self.cameras.update(np.arange(self.num), self.time, self.state, self.ground)
        return outcome

    def observe(self) -> dict[str, Array]:
        """Return the observations, each (N, ...)."""
        obs = {"proprioception": self._proprioception()}
        if self.cameras:
            for k in range(self.cameras.images.shape[1]):
                obs[f"depth_{k}"] = self.cameras.images[:, k : k + 1].copy()
            obs["depth_age"] = (self.time - self.cameras.captured).astype(np.float32)[:, None]
        return obs

    def metrics(self) -> dict[str, Array]:
        """Return task metrics, each (N,): see `Ballbot-v0` for their meaning."""
        state, target = self.state, self._target()
        length = np.sqrt(target[:, 0] ** 2 + target[:, 1] ** 2)
        along = state.velocity[:, 0] * target[:, 0] + state.velocity[:, 1] * target[:, 1]
        dx, dy = (state.ball_position[:, :2] - self.origin).T.copy()
        metrics = {
            "distance": np.sqrt(dx * dx + dy * dy),
            "speed_along_target": np.divide(along, length, out=0 * along, where=length > 1e-9),
            "tilt": state.tilt.copy(),
            "seconds": self.time.copy(),
        }
        if self.config.command.enabled:
            ex, ey = (state.velocity[:, :2] - self.command).T.copy()
            metrics["velocity_error"] = np.sqrt(ex * ex + ey * ey)
        return metrics

    def _new_surroundings(self, i: int) -> bool:
        """Draw ground and robot of the next episode; return whether the model changed."""
        rng, config = self.rngs[i], self.config
        changed = randomization.randomize_model(
            self.physics.models[i], self._model, config.randomization, rng
        )
        if self._resolution:
            heights = generate(config.terrain, rng)
            set_terrain(self.physics.models[i], heights)
            self.ground[i] = self.physics.models[i].hfield_data.reshape(self.ground[i].shape)
        self._variation.draw(i, config.randomization, config.timestep, rng)
        return changed or bool(self._resolution)

    def _new_start(self, i: int) -> None:
        rng, config, at = self.rngs[i], self.config, self._layout
        ground = self.ground[i] * self._scale if self._resolution else None
        pose, ball, velocity = spawn.start_state(
            self.robot, config.start, ground, config.terrain.half_size, rng
        )
        self.physics.clear(i)
        self.physics.qpos[i, at.base_qpos : at.base_qpos + 7] = pose
        self.physics.qpos[i, at.ball_qpos : at.ball_qpos + 3] = ball
        self.physics.qvel[i, at.base_qvel : at.base_qvel + 3] = velocity
        self.origin[i] = ball[:2]
        self.time[i] = self._steps[i] = 0
        self.action[i] = self._history[:, i] = self.wheel_angle[i] = 0
        if config.command.enabled:
            self._new_command(i)

    def _new_command(self, i: int) -> None:
        command, rng = self.config.command, self.rngs[i]
        speed, angle = rng.uniform(0, command.max_speed), rng.uniform(-np.pi, np.pi)
        self.command[i] = speed * np.cos(angle), speed * np.sin(angle)
        self.command_heading[i] = rng.uniform(-np.pi, np.pi) if command.heading else 0.0
        self._next_command[i] = self.time[i] + command.resample_seconds

    def _resample_commands(self) -> None:
        for i in np.flatnonzero(self.time >= self._next_command - 1e-9).tolist():
            self._new_command(i)

    def _take(self, actions: Array) -> None:
        actions = np.asarray(actions, dtype=np.float64)
        if actions.shape != (self.num, 3):
            raise UserError(
                f"Actions must have shape {(self.num, 3)}, three wheels a robot; "
                f"got {actions.shape}."
            )
        if np.isnan(actions).any():
            bad = int(np.argwhere(np.isnan(actions))[0, 0])
            raise UserError(f"The action of robot {bad} holds a NaN: {actions[bad].tolist()}.")
        np.clip(actions, -1.0, 1.0, out=self.action)

    def _push(self) -> None:
        for i in np.flatnonzero(self.time >= self._variation.next_push).tolist():
            config, rng = self.config.randomization, self.rngs[i]
            at = self._layout.base_qvel
            self.physics.qvel[i, at : at + 2] += randomization.kick(config, rng)
            self._variation.next_push[i] += rng.exponential(config.push_interval_s)

    def _advance(self) -> None:
        """Step the physics; sphere wheels are set back to angle zero after every step."""
        gain, delay = self._variation.motor_gain, self._variation.delay
        self._history[1:] = self._history[:-1]
        self._history[0] = self.action * gain
        per_action = self.config.steps_per_action
        late = self._history.shape[0] > 1
        if not late:
            self.physics.ctrl[:] = self._history[0]
        for k in range(per_action):
            if late:
                ago = np.maximum(0, -((k - delay) // per_action))
                self.physics.ctrl[:] = self._history[ago, np.arange(self.num)]
            self.physics.step(1)
            if self.config.wheel_model == "sphere":
                self.wheel_angle += self.physics.qpos[:, self._motors]
                self.physics.qpos[:, self._hinges] = 0.0
        if self.config.wheel_model != "sphere":
            self.wheel_angle[:] = self.physics.qpos[:, self._motors]

    def _read_state(self) -> Array:
        """Read the state; a diverged robot keeps its last good one. Return who diverged, (N,)."""
        self.state, self._previous = self._previous, self.state
        read_state(self.physics.qpos, self.physics.qvel, self._layout, self.state)
        diverged = ~self.state.finite
        if diverged.any():
            for name in State.__dataclass_fields__:
                getattr(self.state, name)[diverged] = getattr(self._previous, name)[diverged]
            self.state.finite[diverged] = False
        return diverged

    def _causes(self, diverged: Array) -> Array:
        limit = np.deg2rad(self.config.max_tilt_deg)
        edge = self.config.terrain.half_size - EDGE if self._resolution else np.inf
        return end_causes(
            diverged=diverged,
            fallen=self.state.tilt > limit,
            outside=np.abs(self.state.ball_position[:, :2]).max(axis=1) > edge,
            out_of_time=self._steps >= self.config.max_steps,
        )

    def _judge(self, causes: Array) -> Outcome:
        terminated, truncated = split(causes)
        fallen = causes == Cause.TILT_EXCEEDED
        now = rewards.Situation(
            self.state, self.action, terminated, self.command, self.command_heading
        )
        rates = rewards.reward_terms(self.config.reward, now)
        terms = {name: rate * self.config.control_dt for name, rate in rates.items()}
        if self.config.shaping:
            phi = self._phi()
            terms["shaping"] = rewards.shaping_term(
                self.config.shaping, self._potential, phi, fallen | terminated
            )
            self._potential = phi
        total = 0.0
        for term in terms.values():
            total = total + term
        return Outcome(np.asarray(total), terms, terminated, truncated, causes)

    def _phi(self) -> Array:
        assert self.config.shaping
        limit = np.deg2rad(self.config.max_tilt_deg)
        return rewards.potential(self.config.shaping, self.state, limit)

    def _target(self) -> Array:
        return rewards.target_vector(self.config.reward, self.state, self.command)

    def _proprioception(self) -> Array:
        sensed = observations.Sensed(
            self.state, self.action, self._target(), self.command_heading, self.robot.no_load_speed
        )
        return observations.proprioception(self.config.observation, sensed, self._noise)

    def _draw_noise(self, which: list[int]) -> None:
        """Draw sensor noise for the present state: looking twice shows the same."""
        if self._noise is not None:
            for i in which:
                self._noise[i] = self._noise_scale * self.rngs[i].normal(
                    size=len(self._noise_scale)
                )


def _model(config: EnvConfig) -> mujoco.MjModel:
    terrain = config.terrain
    ground = (
        Ground()
        if isinstance(terrain, Flat)
        else Ground(terrain.resolution, terrain.half_size, max_height(terrain))
    )
    return build_model(
        load_robot(config.robot),
        ground,
        wheel_model=config.wheel_model,
        timestep=config.timestep,
        integrator=config.integrator,
    )


def _as_slice(addresses: Array) -> Array | slice:
    """Return equally spaced addresses as a slice, which numpy reads without copying."""
    if len(addresses) < 2:
        return addresses
    step = int(addresses[1] - addresses[0])
    if (np.diff(addresses) != step).any():
        return addresses
    return slice(int(addresses[0]), int(addresses[-1]) + 1, step)
