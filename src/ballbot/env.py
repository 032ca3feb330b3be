"""`Ballbot-v0`: one ballbot as a Gymnasium environment."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces

from ballbot import observations, saving
from ballbot.config import EnvConfig, make_config
from ballbot.errors import UserError
from ballbot.model.parameters import load_robot
from ballbot.physics import SinglePhysics
from ballbot.rendering import has_display, open_viewer, picture
from ballbot.robots import Outcome, Robots
from ballbot.terminations import Cause

Array = np.ndarray
CRUISE, RIM_SHARE = 0.3, 0.64
"""Speed (m/s) at which the baseline drives, and the largest share of the wheels' rim speed that it
asks for: near their limit the wheels have nothing left to catch a fall with."""


def observation_space(config: EnvConfig) -> spaces.Dict:
    """Return the observation space: all boxes bounded, float32 except the uint8 images."""
    limit = observations.limits(config.observation)
    parts: dict[str, spaces.Space] = {"proprioception": spaces.Box(-limit, limit, dtype=np.float32)}
    if config.cameras.enabled:
        shape = (1, config.cameras.height, config.cameras.width)
        for k in range(len(load_robot(config.robot).cameras)):
            parts[f"depth_{k}"] = spaces.Box(0, 255, shape, dtype=np.uint8)
        oldest = 1 / config.cameras.rate_hz + config.control_dt
        parts["depth_age"] = spaces.Box(0, np.float32(oldest), (1,), dtype=np.float32)
    return spaces.Dict(parts)


def action_space() -> spaces.Box:
    """Return the action space: the three motors' torques as shares of their maximum."""
    return spaces.Box(-1, 1, (3,), dtype=np.float32)


class BallbotEnv(gymnasium.Env):
    """A robot that balances on a ball and drives.

    Actions are three torques in [-1, 1] (values outside are clipped, a NaN raises). The observation
    is a dictionary: ``proprioception`` (named entries, see `observation_names`) and, with cameras,
    ``depth_0``, ``depth_1`` (uint8, 255 is `cameras.max_depth` or farther) and ``depth_age``
    (seconds since the images were made).

    An episode ends with ``terminated`` after a fall (``tilt_exceeded``) or if the simulation
    diverged (``diverged``), and with ``truncated`` at the time limit (``max_steps``) or at the edge
    of the ground (``left_terrain``). ``info`` holds

    - ``reward_terms``: every term of the reward by name; they add up to the reward,
    - ``termination``: the cause, on the last step,
    - ``distance`` from the start (m), ``speed_along_target`` (m/s), ``tilt`` (rad), ``seconds``
      since the start, and ``velocity_error`` (m/s) when a velocity is commanded.

    Args:
        config: An `EnvConfig`, a mapping, or the path of a YAML file; None for the defaults.
        render_mode: ``"rgb_array"`` (needs no graphics library) or ``"human"`` (MuJoCo's viewer).
        **overrides: Fields of the configuration, e.g. ``terrain={"type": "perlin"}``.

    Raises:
        UserError: Something in the configuration is wrong.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["rgb_array", "human"] if has_display() else ["rgb_array"],
        "render_fps": 50,
    }

    def __init__(
        self,
        config: EnvConfig | Mapping[str, Any] | str | Path | None = None,
        *,
        render_mode: str | None = None,
        **overrides: Any,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise UserError(
                f"render_mode must be rgb_array, or human where there is a display; "
                f"got {render_mode!r}."
            )
        self.config = make_config(config, **overrides)
        self.robots = Robots(self.config, 1, batched=False)
        self.observation_space = observation_space(self.config)
        self.action_space = action_space()
        self.observation_names = observations.names(self.config.observation)
        self.render_mode = render_mode
        self.metadata = self.metadata | {"render_fps": round(self.config.control_hz)}
        self._viewer: Any = None

    @property
    def _physics(self) -> SinglePhysics:
        assert isinstance(self.robots.physics, SinglePhysics)
        return self.robots.physics

    @property
    def model(self) -> mujoco.MjModel:
        """The robot's model; its height field holds this episode's ground."""
        return self._physics.models[0]

    @property
    def data(self) -> mujoco.MjData:
        """The robot's live state."""
        return self._physics.data

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Start an episode; the seed fixes ground, start, commands and randomisation."""
        super().reset(seed=seed)
        self.robots.rngs[0] = self.np_random
        self.robots.reset(np.array([0]))
        if self._viewer is not None and self.model.nhfield:
            self._viewer.update_hfield(0)
        return self._observation(), _row(self.robots.metrics(), 0)

    def step(self, action: Array) -> tuple[dict[str, Array], float, bool, bool, dict[str, Any]]:
        """Hold an action for one control step."""
        action = np.asarray(action)
        if action.shape != (3,):
            raise UserError(f"An action has shape (3,), one torque a wheel; got {action.shape}.")
        outcome = self.robots.step(action[None])
        info = step_info(outcome, 0)
        if self.render_mode == "human":
            self.render()
        return (
            self._observation(),
            float(outcome.reward[0]),
            bool(outcome.terminated[0]),
            bool(outcome.truncated[0]),
            info,
        )

    def save_state(self) -> dict[str, Any]:
        """Return the robot's state in plain data, see `ballbot.saving`."""
        return saving.save(self.robots)

    def restore_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `save_state` returned, bit by bit."""
        saving.restore(self.robots, state)

    def timed_parts(self) -> dict[str, tuple[Any, str]]:
        """Return what a profiler may time: name to an object and one of its methods."""
        return self.robots.timed_parts()

    def baselines(self) -> dict[str, Callable[[], Array]]:
        """Return controllers to compare a policy with: name to a function that gives an action."""
        own = baselines(self.robots)
        return {name: lambda act=act: act()[0] for name, act in own.items()}

    def render(self) -> Array | None:
        """Return a picture (480, 640, 3) uint8, or update the viewer."""
        mujoco.mj_forward(self.model, self.data)
        if self.render_mode == "rgb_array":
            return picture(self.model, self.data)
        if self.render_mode == "human":
            self._viewer = self._viewer or open_viewer(self.model, self.data)
            if self._viewer.is_running():
                self._viewer.sync()
                time.sleep(self.config.control_dt)  # about real time: the step itself takes little
        return None

    def close(self) -> None:
        """Close the viewer."""
        if self._viewer is not None:
            self._viewer.close()
            self._viewer = None

    def _observation(self) -> dict[str, Array]:
        return {key: value[0] for key, value in self.robots.observe().items()}


def step_info(outcome: Outcome, i: int) -> dict[str, Any]:
    """Return the info of robot `i` after a step."""
    info: dict[str, Any] = _row(outcome.metrics, i)
    info["reward_terms"] = _row(outcome.terms, i)
    if outcome.causes[i] != Cause.NONE:
        info["termination"] = Cause(outcome.causes[i]).label
    return info


def baselines(robots: Robots) -> dict[str, Callable[[], Array]]:
    """Return the classical controllers that a policy is compared with, by name."""
    from ballbot.controllers import BalanceController, PidController

    if robots.config.reward.type == "directional":
        direction = np.array(robots.config.reward.target_direction)
        rim = robots.robot.no_load_speed * robots.robot.wheels.radius
        speed = min(CRUISE, RIM_SHARE * rim)
        driving = BalanceController(robots, speed * direction / np.linalg.norm(direction))
    else:
        driving = BalanceController(robots)
    return {"balance": driving.act, "pid": PidController(robots).act}


def _row(arrays: dict[str, Array], i: int) -> dict[str, Any]:
    return {name: float(array[i]) for name, array in arrays.items()}
