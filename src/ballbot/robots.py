"""N robots, each with its own random stream, ground and episode: what both environments share."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ballbot import observations, randomization, rewards, spawn
from ballbot.actuation import Actuation
from ballbot.cameras import DepthCameras
from ballbot.config import EnvConfig
from ballbot.errors import UserError
from ballbot.kinematics import State, read_state
from ballbot.metrics import task_metrics
from ballbot.model.mjcf import set_terrain
from ballbot.model.parameters import load_robot
from ballbot.physics import BatchPhysics, Physics, SinglePhysics, layout_of, make_model
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
        metrics: Task metrics of the step, see `Robots.metrics`.
    """

    reward: Array
    terms: dict[str, Array]
    terminated: Array
    truncated: Array
    causes: Array
    metrics: dict[str, Array]


class Robots:
    """N simulated ballbots.

    Attributes:
        config: The environment's configuration.
        robot: The robot's parameters.
        physics: The simulations; `physics.models[i]` is robot i's own model.
        state: State after the last step or reset.
        time: Episode time (s), (N,).
        actuation: The motors: action in force, angles turned.
        command: Commanded velocity in the world (m/s), (N, 2).
        command_heading: Commanded heading (rad), (N,).
        began: Random state that each robot's episode was drawn from; None before the first.
    """

    def __init__(self, config: EnvConfig, num: int, *, batched: bool, num_threads: int = 0) -> None:
        self.config = config
        self.num = num
        self.robot = load_robot(config.robot)
        self._model = make_model(config)
        self.physics: Physics = (
            BatchPhysics(self._model, num, num_threads)
            if batched
            else SinglePhysics(make_model(config))
        )
        self._layout = layout_of(self._model)
        self.actuation = Actuation(config, self._model, num)
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
        self._bounds = observations.limits(config.observation)
        self._max_steps = config.max_steps
        noisy = config.randomization.sensor_noise > 0
        self.noise = np.zeros((num, len(self._noise_scale))) if noisy else None
        self.rngs = [np.random.default_rng() for _ in range(num)]
        self.began: list[dict[str, Any] | None] = [None] * num
        self.time = np.zeros(num)
        self._steps = np.zeros(num, dtype=np.int64)
        self.origin = np.zeros((num, 2))
        self.command = np.zeros((num, 2))
        self.command_heading = np.zeros(num)
        self._next_command = np.full(num, np.inf)
        self._potential = np.zeros(num)
        self.variation = randomization.Variation.none(num)

    @property
    def _resolution(self) -> int:
        terrain = self.config.terrain
        return 0 if isinstance(terrain, Flat) else terrain.resolution

    def reset(self, which: Array) -> None:
        """Start new episodes of the robots `which`, drawn from their own random streams."""
        which = np.asarray(which).tolist()
        changed = False
        for i in which:
            self.began[i] = self.rngs[i].bit_generator.state
            changed |= self.redraw(i)
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
        self.actuation.advance(self.physics, self.variation)
        self._steps += 1
        self.time[:] = self._steps * self.config.control_dt
        diverged = self._read_state()
        causes = self._causes(diverged)
        outcome = self._judge(causes)
        self._resample_commands()
        self._draw_noise(range(self.num))
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

    def refresh(self) -> None:
        """Read the state again after the physics was changed from outside."""
        self._read_state()

    def timed_parts(self) -> dict[str, tuple[Any, str]]:
        """Return what steps and resets consist of: name to an object and one of its methods."""
        parts: dict[str, tuple[Any, str]] = {
            "physics": (self.physics, "step"),
            "state": (self, "_read_state"),
            "reward": (self, "_judge"),
            "observation": (self, "observe"),
            "sensor noise": (self, "_draw_noise"),
            "terrain": (self, "redraw"),
        }
        return parts | ({"cameras": (self.cameras, "update")} if self.cameras else {})

    def metrics(self) -> dict[str, Array]:
        """Return task metrics, each (N,): see `Ballbot-v0` for their meaning."""
        command = self.command if self.config.command.enabled else None
        return task_metrics(self.state, self._target(), self.origin, self.time, command)

    def redraw(self, i: int) -> bool:
        """Draw ground and robot of the next episode; return whether the model changed."""
        rng, config = self.rngs[i], self.config
        changed = randomization.randomize_model(
            self.physics.models[i], self._model, config.randomization, rng
        )
        if self._resolution:
            heights = generate(config.terrain, rng)
            set_terrain(self.physics.models[i], heights)
            self.ground[i] = self.physics.models[i].hfield_data.reshape(self.ground[i].shape)
        self.variation.draw(i, config.randomization, config.timestep, rng)
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
        self.actuation.clear(i)
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
        np.clip(actions, -1.0, 1.0, out=self.actuation.action)

    def _push(self) -> None:
        for i in np.flatnonzero(self.time >= self.variation.next_push).tolist():
            config, rng = self.config.randomization, self.rngs[i]
            at = self._layout.base_qvel
            self.physics.qvel[i, at : at + 2] += randomization.kick(config, rng)
            self.variation.next_push[i] += rng.exponential(config.push_interval_s)

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
        return end_causes(
            diverged=diverged,
            fallen=self.state.tilt > limit,
            outside=self._outside(),
            out_of_time=self._steps >= self._max_steps,
        )

    def _outside(self) -> Array:
        if not self._resolution:
            return np.zeros(self.num, dtype=bool)
        x, y = np.abs(self.state.ball_position[:, 0]), np.abs(self.state.ball_position[:, 1])
        return np.maximum(x, y) > self.config.terrain.half_size - EDGE

    def _judge(self, causes: Array) -> Outcome:
        terminated, truncated = split(causes)
        fallen = causes == Cause.TILT_EXCEEDED
        now = rewards.Situation(
            self.state, self.actuation.action, terminated, self.command, self.command_heading
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
        return Outcome(np.asarray(total), terms, terminated, truncated, causes, self.metrics())

    def _phi(self) -> Array:
        assert self.config.shaping
        limit = np.deg2rad(self.config.max_tilt_deg)
        return rewards.potential(self.config.shaping, self.state, limit)

    def _target(self) -> Array:
        return rewards.target_vector(self.config.reward, self.state, self.command)

    def _proprioception(self) -> Array:
        sensed = observations.Sensed(
            self.state,
            self.actuation.action,
            self._target(),
            self.command_heading,
            self.robot.no_load_speed,
        )
        return observations.proprioception(
            self.config.observation, sensed, self._bounds, self.noise
        )

    def _draw_noise(self, which: Iterable[int]) -> None:
        """Draw sensor noise for the present state: looking twice shows the same."""
        if self.noise is None:
            return
        for i in which:
            noise = self.rngs[i].normal(size=len(self._noise_scale))
            self.noise[i] = self._noise_scale * noise
