"""Writes the MJCF of robot and ground, and compiles it.

Geom groups: 0 ground, 1 ball and wheels, 2 upper body. Depth cameras see groups 0 and 1.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from ballbot.model.parameters import Camera, Geom, RobotParameters, WheelModel
from ballbot.model.wheels import contact_geoms, numbers, wheel_frames, wheel_xml

GROUND_BASE_THICKNESS = 0.1
SLIPPERY = 0.001
"""Friction of the published wheel along its axle."""


@dataclass(frozen=True)
class Ground:
    """The kind of ground: an infinite plane, or a square height field.

    Attributes:
        resolution: Samples along each side of the height field; 0 for a plane.
        half_size: Half the side (m).
        height: Elevation (m) that a normalised sample of 1 stands for.
    """

    resolution: int = 0
    half_size: float = 5.0
    height: float = 0.1

    @property
    def is_plane(self) -> bool:
        """Whether the ground is a plane."""
        return self.resolution == 0


def build_xml(
    robot: RobotParameters,
    ground: Ground = Ground(),
    *,
    wheel_model: WheelModel = "sphere",
    timestep: float = 0.002,
    integrator: str = "implicitfast",
) -> str:
    """Return the MJCF of the robot on the ground.

    Args:
        robot: The robot in numbers.
        ground: The kind of ground. A plane and a flat height field are not the same: the height
            field touches the ball at several points and resists rolling.
        wheel_model: ``"sphere"`` (fast, default), ``"rollers"`` (explicit barrels) or
            ``"unaligned"`` (capsules whose slippery direction does not turn with the robot).
        timestep: Physics step (s).
        integrator: A MuJoCo integrator.
    """
    upper = "".join(_geom_xml(g) for g in robot.base)
    cameras = "".join(_camera_xml(c) for c in robot.cameras)
    wheels = "".join(wheel_xml(robot, k, wheel_model) for k in range(3))
    ball = robot.ball
    inertia = ball.inertia_factor * ball.mass * ball.radius**2
    return f"""<mujoco model="ballbot_{robot.name}">
  <compiler angle="degree" eulerseq="xyz" autolimits="true"/>
  <option timestep="{timestep:.10g}" integrator="{integrator}" cone="elliptic" jacobian="dense"
    impratio="1">
    <flag autoreset="disable"/>
  </option>
  <size njmax="400" nconmax="100"/>
  <visual>
    <global offwidth="1280" offheight="960"/>
    <map znear="0.001" zfar="4"/>
  </visual>
  <default>
    <geom contype="0" conaffinity="0"/>
    <default class="wheel"><geom group="1" rgba="0.12 0.12 0.14 1"/></default>
    <default class="body"><geom group="2"/></default>
  </default>
  <asset>{_ground_asset(ground)}
  </asset>
  <worldbody>
    <light pos="0 0 10" dir="0 0 -1" directional="true"/>
    {_ground_geom(ground)}
    <body name="base" pos="0 0 {ball.radius + robot.base_height:.10g}">
      <freejoint name="base"/>
      <site name="imu" size="0.005"/>{upper}{cameras}{wheels}
    </body>
    <body name="ball" pos="0 0 {ball.radius:.10g}">
      <freejoint name="ball"/>
      <inertial pos="0 0 0" mass="{ball.mass:.10g}" diaginertia="{numbers((inertia,) * 3)}"/>
      <geom name="ball" type="sphere" size="{ball.radius:.10g}" group="1" rgba="0.8 0.2 0.16 1"/>
    </body>
  </worldbody>
  <contact>{_pairs_xml(robot, wheel_model)}
  </contact>
  <actuator>{_motors_xml(robot)}
  </actuator>
  <sensor>
    <accelerometer name="accelerometer" site="imu"/>
    <gyro name="gyro" site="imu"/>
  </sensor>
</mujoco>
"""


def build_model(
    robot: RobotParameters,
    ground: Ground = Ground(),
    *,
    wheel_model: WheelModel = "sphere",
    timestep: float = 0.002,
    integrator: str = "implicitfast",
) -> mujoco.MjModel:
    """Compile the model that `build_xml` writes; same arguments."""
    xml = build_xml(
        robot, ground, wheel_model=wheel_model, timestep=timestep, integrator=integrator
    )
    return mujoco.MjModel.from_xml_string(xml)


def set_terrain(model: mujoco.MjModel, heights: np.ndarray) -> None:
    """Write a terrain into a model with a height field.

    Args:
        model: A model built with a `Ground` that is no plane.
        heights: Elevations (n, n) in metres, at least 0 and at most the `Ground.height`; rows
            run along y, columns along x.

    Raises:
        ValueError: Heights outside that range, or not finite.
    """
    if not (heights.min() >= 0 and heights.max() <= model.hfield_size[0, 2] * (1 + 1e-9)):
        raise ValueError("heights outside the range of the height field")
    model.hfield_data[:] = (heights / model.hfield_size[0, 2]).ravel()


def traction_limit(robot: RobotParameters) -> float:
    """Return the wheel torque (N m) at which a wheel starts to slip on the ball at rest."""
    load = 9.81 * (sum(g.mass for g in robot.base) + 3 * robot.wheels.mass)
    normal = load / (3 * np.cos(np.deg2rad(robot.wheels.zenith_deg)))
    return robot.wheels.friction * normal * robot.wheels.radius


def ball_speed_per_wheel_speed(robot: RobotParameters) -> float:
    """Return metres per second of the ball for one rad/s of an aligned wheel."""
    vertical = float(np.abs(wheel_frames(robot)[0].normal[2]))
    return robot.wheels.radius / vertical


def _ground_asset(ground: Ground) -> str:
    checker = (
        '<texture name="grid" type="2d" builtin="checker" rgb1="0.5 0.6 0.5" rgb2="0.4 0.5 0.42" '
        'width="256" height="256"/><material name="grid" texture="grid" texrepeat="2 2" '
        'texuniform="true"/>'
    )
    if ground.is_plane:
        return checker
    h = ground.half_size
    return (
        f'{checker}<hfield name="terrain" nrow="{ground.resolution}" ncol="{ground.resolution}" '
        f'size="{h:.10g} {h:.10g} {ground.height:.10g} {GROUND_BASE_THICKNESS}"/>'
    )


def _ground_geom(ground: Ground) -> str:
    shape = 'type="plane" size="0 0 0.1"' if ground.is_plane else 'type="hfield" hfield="terrain"'
    return f'<geom name="ground" {shape} contype="1" conaffinity="1" material="grid" group="0"/>'


def _geom_xml(geom: Geom) -> str:
    collides = 'contype="1" conaffinity="1"' if geom.collides else ""
    return f"""
      <geom name="{geom.name}" class="body" type="{geom.type}" size="{numbers(geom.size)}"
        pos="{numbers(geom.pos)}" euler="{numbers(geom.euler)}" mass="{geom.mass:.10g}"
        rgba="{numbers(geom.rgba)}" {collides}/>"""


def _camera_xml(camera: Camera) -> str:
    return f"""
      <camera name="{camera.name}" pos="{numbers(camera.pos)}" euler="{numbers(camera.euler)}"
        fovy="{camera.fovy_deg:.10g}"/>"""


def _pairs_xml(robot: RobotParameters, wheel_model: WheelModel) -> str:
    slide, torsion, roll = robot.ball.ground_friction
    ground = numbers((slide, slide, torsion, roll, roll))
    along = SLIPPERY if wheel_model == "unaligned" else robot.wheels.friction
    grip = numbers((along, robot.wheels.friction, 0.005, 1e-4, 1e-4))
    wheels = "".join(
        f"""
    <pair geom1="ball" geom2="{geom}" condim="3" friction="{grip}"/>"""
        for k in range(3)
        for geom in contact_geoms(robot, k, wheel_model)
    )
    condim = robot.ball.ground_condim
    return f"""
    <pair geom1="ball" geom2="ground" condim="{condim}" friction="{ground}"/>{wheels}"""


def _motors_xml(robot: RobotParameters) -> str:
    gear = robot.wheels.torque_max * robot.wheels.direction
    return "".join(
        f"""
    <motor name="motor_{k}" joint="motor_{k}" gear="{gear:.10g}" ctrllimited="false"/>"""
        for k in range(3)
    )
