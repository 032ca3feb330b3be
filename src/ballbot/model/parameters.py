"""The robot in numbers: one YAML file describes it, everything else is generated from it.

Frames: z points up; the base frame has its origin `base_height` above the centre of the ball.
Lengths in metres, masses in kilograms, angles in degrees (intrinsic x-y-z), torques in newton
metres.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ballbot.errors import UserError, sentence, unknown_name

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector = tuple[Finite, Finite, Finite]
WheelModel = Literal["sphere", "rollers", "unaligned"]


class Frozen(BaseModel):
    """A configuration that refuses unknown keys and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, Mapping) else ():
            if key not in cls.model_fields:
                raise unknown_name("key", key, cls.model_fields)
        return data


class Ball(Frozen):
    """The ball that the robot stands on."""

    radius: Positive
    mass: Positive
    inertia_factor: Positive = 0.4
    """Inertia over mass times squared radius: 0.4 for a solid ball, 2/3 for a thin shell."""
    ground_friction: tuple[Positive, NotNegative, NotNegative]
    """Sliding (1), torsional (m) and rolling (m) friction against the ground."""
    ground_condim: Literal[3, 4, 6] = 3
    """3: sliding friction only; 4: torsional too, needed to turn on the spot; 6: rolling too."""


class Rollers(Frozen):
    """The explicit rollers of the fidelity variant: two rings of barrels around each wheel."""

    per_ring: Annotated[int, Field(ge=4, le=16)] = 6
    rings: Annotated[int, Field(ge=1, le=2)] = 2
    barrel_radius: Positive = 0.006
    """Largest radius of a barrel."""
    mass: Positive = 0.003
    ring_spacing: Positive = 0.008
    """Distance between the two rings along the wheel's axle."""


class Wheels(Frozen):
    """Three omniwheels, each driven by one motor about an axle in a meridian plane of the ball."""

    radius: Positive
    mass: Positive
    zenith_deg: Annotated[float, Field(gt=10, lt=80)]
    """Angle from straight up to the contact with the ball."""
    azimuth_deg: Finite
    """Azimuth of the first wheel's contact; the others follow at +120 and +240 degrees."""
    friction: Positive
    """Friction between wheel and ball along the gripping direction."""
    torque_max: Positive
    """Torque of the motor at action 1, at the wheel."""
    direction: Literal[-1, 1] = 1
    """Sign of the torque for a positive action."""
    damping: NotNegative
    """Back-EMF and bearing drag (N m s/rad): no-load speed is torque_max / damping."""
    rotor_inertia: NotNegative
    """Inertia of the rotor and gears as felt at the wheel (kg m^2)."""
    rollers: Rollers = Rollers()


class Geom(Frozen):
    """A rigid piece of the upper body."""

    name: str
    type: Literal["sphere", "capsule", "cylinder", "box", "ellipsoid"]
    size: tuple[Positive, ...]
    """As in MJCF: half lengths; a cylinder is (radius, half height)."""
    pos: Vector
    euler: Vector = (0, 0, 0)
    mass: NotNegative
    rgba: tuple[float, float, float, float] = (0.6, 0.6, 0.65, 1)
    collides: bool = False
    """Whether it can touch the ground."""


class Camera(Frozen):
    """A depth camera; it looks along the negative z axis of its frame, as in MuJoCo."""

    name: str
    pos: Vector
    euler: Vector
    fovy_deg: Annotated[float, Field(gt=1, lt=170)] = 90.0


class RobotParameters(Frozen):
    """A whole robot."""

    name: str
    description: str = ""
    ball: Ball
    wheels: Wheels
    base_height: Positive
    """Height of the base frame above the centre of the ball."""
    base: tuple[Geom, ...]
    cameras: tuple[Camera, ...] = ()

    @property
    def no_load_speed(self) -> float:
        """Return the wheel speed (rad/s) at which drag eats the whole torque; inf without drag."""
        drag = self.wheels.damping
        return self.wheels.torque_max / drag if drag else float("inf")


def robot_names() -> list[str]:
    """Return the names of the robots that come with the package."""
    folder = resources.files("ballbot.model") / "robots"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith("yaml"))


@cache
def load_robot(name: str) -> RobotParameters:
    """Read a robot that comes with the package, or a YAML file of the same form.

    Args:
        name: ``"default"``, ``"paper"``, or a path that ends in ``.yaml``.

    Raises:
        UserError: There is no such robot, or its file is wrong.
    """
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        text = Path(name).read_text()
    elif name in robot_names():
        text = (resources.files("ballbot.model") / "robots" / f"{name}.yaml").read_text()
    else:
        raise unknown_name("robot", name, robot_names())
    try:
        return RobotParameters.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UserError(f"{name} is not valid YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        raise UserError(f"{name}: {sentence(error)}") from None
