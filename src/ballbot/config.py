"""Everything that can be set about the environment, in one frozen, validated model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ballbot.errors import UserError, sentence, unknown_name
from ballbot.model.parameters import Frozen, NotNegative, WheelModel, load_robot
from ballbot.rewards import Directional, RewardConfig, Shaping
from ballbot.terrain import Flat, TerrainConfig

Fraction = Annotated[float, Field(ge=0, lt=1)]
Latency = Annotated[float, Field(ge=0, le=1000)]


class Cameras(Frozen):
    """The two depth cameras."""

    enabled: bool = False
    """Off: no images, and stepping is several times faster."""
    width: Annotated[int, Field(ge=4, le=512)] = 64
    height: Annotated[int, Field(ge=4, le=512)] = 64
    rate_hz: Annotated[float, Field(ge=0.1, le=1000)] = 90.0
    """Frames per second; between frames the last image is shown again, with its age."""
    max_depth: Annotated[float, Field(gt=0, le=50)] = 1.0
    """Depth (m) at which a pixel saturates."""


class Command(Frozen):
    """Commanded motion, part of the observation; needed by the `velocity` reward."""

    enabled: bool = False
    max_speed: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Commanded speed is uniform in [0, max_speed] m/s, its direction uniform in the world."""
    heading: bool = False
    """Also command a heading (rad, world)."""
    resample_seconds: Annotated[float, Field(ge=0.01, le=1e6)] = 4.0
    """A new command is drawn this often."""


class Start(Frozen):
    """The spread of initial states."""

    tilt_deg: Annotated[float, Field(ge=0, le=15)] = 3.0
    """Largest initial tilt; its direction is uniform."""
    speed: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Largest initial speed of the base relative to the ball (m/s)."""
    heading_deg: Annotated[float, Field(ge=0, le=180)] = 180.0
    """Initial heading is uniform in plus or minus this."""
    distance: NotNegative = 0.0
    """Largest distance of the start from the centre of the terrain (m)."""


class Randomization(Frozen):
    """Domain randomisation, drawn per episode; a spread of 0.2 means a factor in [0.8, 1.2]."""

    mass: Fraction = 0.0
    """Of the upper body, with its inertia."""
    friction: Fraction = 0.0
    """Of all contacts of the ball."""
    motor_gain: Fraction = 0.0
    """Of each motor."""
    latency_ms: tuple[Latency, Latency] = (0.0, 0.0)
    """Range of the delay between action and torque, in whole physics steps."""
    sensor_noise: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Standard deviation of noise on proprioception, as a share of each entry's range."""
    push_speed: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Largest kick to the base's horizontal velocity (m/s)."""
    push_interval_s: Annotated[float, Field(ge=0.01, le=1e6)] = 3.0
    """Mean time between kicks."""

    @model_validator(mode="after")
    def _ordered(self) -> "Randomization":
        if self.latency_ms[0] > self.latency_ms[1]:
            raise ValueError("latency_ms must be (low, high) with low <= high")
        return self


class EnvConfig(Frozen):
    """The environment."""

    description: str = ""
    robot: str = "default"
    """`default` (one could build it), `paper` (as published), or a YAML file."""
    wheel_model: WheelModel = "sphere"
    """`sphere` is fast; `rollers` has the explicit rollers of a real omniwheel; `unaligned` is the
    published capsule on stock MuJoCo, which grips in the wrong direction once the robot turns."""
    control_hz: Annotated[float, Field(ge=10, le=1000)] = 100.0
    """Actions per second. The published robot runs at 500, which makes learning harder."""
    timestep: Annotated[float, Field(ge=1e-4, le=0.01)] = 0.002
    """Physics step (s); see docs/physics.md for why 2 ms."""
    integrator: Literal["implicitfast", "Euler", "RK4"] = "implicitfast"
    episode_seconds: Annotated[float, Field(gt=0, le=1e6)] = 8.0
    """Time limit; reaching it truncates, it does not terminate."""
    max_tilt_deg: Annotated[float, Field(gt=0, le=60)] = 20.0
    """A larger tilt is a fall and terminates."""
    observation: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "up",
        "target",
        "angular_velocity",
        "velocity_heading",
        "wheel_speed",
        "last_action",
    )
    """Terms of `proprioception`, in order; see ballbot.observations."""
    terrain: TerrainConfig = Flat()
    reward: RewardConfig = Directional()
    shaping: Shaping | None = None
    """Potential-based shaping added to the reward; it does not change the best policy."""
    cameras: Cameras = Cameras()
    command: Command = Command()
    start: Start = Start()
    randomization: Randomization = Randomization()

    @model_validator(mode="after")
    def _consistent(self) -> "EnvConfig":
        from ballbot.observations import TERMS

        steps = 1.0 / (self.control_hz * self.timestep)
        if steps < 0.5 or abs(steps - round(steps)) > 1e-6:
            raise ValueError(
                f"control_hz {self.control_hz:g} and timestep {self.timestep:g} do not fit: "
                f"a control step would be {steps:.3g} physics steps, not a whole number"
            )
        if self.episode_seconds * self.control_hz < 1:
            raise ValueError("episode_seconds is shorter than one control step")
        for term in self.observation:
            if term not in TERMS:
                raise unknown_name("observation term", term, TERMS)
        if self.reward.type == "velocity" and not self.command.enabled:
            raise ValueError("reward type 'velocity' needs command.enabled: true")
        if "heading_error" in self.observation and not self.command.enabled:
            raise ValueError("observing heading_error needs command.enabled: true")
        if self.start.distance > 0.5 * self.terrain.half_size:
            raise ValueError("start.distance must be at most half of terrain.half_size")
        return self

    @property
    def steps_per_action(self) -> int:
        """Physics steps in one control step."""
        return round(1.0 / (self.control_hz * self.timestep))

    @property
    def control_dt(self) -> float:
        """Seconds in one control step."""
        return self.steps_per_action * self.timestep

    @property
    def max_steps(self) -> int:
        """Control steps until the time limit."""
        return round(self.episode_seconds / self.control_dt)


DEFAULT_TYPES = {"terrain": {"type": "flat"}, "reward": {"type": "directional"}}


def make_config(
    config: "EnvConfig | Mapping[str, Any] | str | Path | None" = None, **overrides: Any
) -> EnvConfig:
    """Return a validated configuration.

    Args:
        config: An `EnvConfig`, a mapping, the path of a YAML file, or None for the defaults.
        **overrides: Fields to replace; a mapping replaces only the keys it names, unless it
            changes the `type` of a terrain or reward.

    Raises:
        UserError: Something in it is wrong; the message says what, and the nearest valid name.
    """
    merged = merge(merge(DEFAULT_TYPES, _as_mapping(config)), overrides)
    try:
        result = EnvConfig.model_validate(merged)
    except ValidationError as error:
        raise UserError(sentence(error)) from None
    if not load_robot(result.robot).cameras and result.cameras.enabled:
        raise UserError(f"cameras.enabled: robot {result.robot!r} has no cameras.")
    return result


def merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `overrides` merged into it; a changed `type` starts from scratch."""
    merged = dict(base)
    for key, value in overrides.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and _same_type(old, value):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _same_type(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return new.get("type", old.get("type")) == old.get("type")


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        UserError: There is no such file, or it is not a mapping.
    """
    try:
        data = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} must hold a mapping of settings.")
    return data


def _as_mapping(config: "EnvConfig | Mapping[str, Any] | str | Path | None") -> dict[str, Any]:
    if config is None:
        return {}
    if isinstance(config, EnvConfig):
        return config.model_dump(exclude_unset=True)
    return read_yaml(config) if isinstance(config, str | Path) else dict(config)
