"""Two models of an omniwheel for stock MuJoCo: one sphere on two hinges, or explicit rollers.

The problem. An omniwheel grips along its rim and rolls freely along its axle. A capsule with
anisotropic friction needs a contact frame aligned with the axle, and MuJoCo picks that frame from
the contact normal alone: as soon as the robot turns, the wheel grips in the wrong direction.

The idea of ``sphere``. A motor hinge about the axle a carries a second, passive hinge about the
horizontal tangent t of the ball at the contact, which carries a sphere with ordinary friction. The
motor drives the contact point along t; the passive hinge lets it roll along a. Because a sphere
looks the same at any angle, both hinge angles can be set back to zero whenever we like, which keeps
t where it belongs; velocities are untouched. That is done at least every 10 ms. The wheel angle is
counted outside.

Worked example: wheel at azimuth 0 and zenith 45 degrees. The contact normal (from the ball's
centre) is n = (0.71, 0, 0.71), the tangent is t = (0, 1, 0), and the axle is a = t x n =
(0.71, 0, -0.71), upwards -a. A motor speed w moves the wheel's surface at the contact along
(w a) x (-r n) = w r t.

``unaligned`` is the capsule as it comes, wrong frame and all: it is what the published training
runs on without its patched MuJoCo, and there to show what that does.

``rollers`` builds the barrels of a real omniwheel from the same parameters: slower (33 more
degrees of freedom) and it shakes as a real one does.
"""

from dataclasses import dataclass

import numpy as np

from ballbot.errors import UserError
from ballbot.model.parameters import RobotParameters, Rollers, WheelModel

Array = np.ndarray
CAPSULE_HALF_LENGTH = 0.02
"""Of a capsule wheel (m); where along its axle it touches makes no difference."""


@dataclass(frozen=True)
class WheelFrame:
    """Where a wheel sits, in the base frame: `normal`, `tangent`, `axle` are unit vectors (3,)."""

    center: Array
    normal: Array
    """From the centre of the ball to the contact."""
    tangent: Array
    """The gripping direction: positive motor speed moves the wheel's surface this way."""
    axle: Array
    """The axis of the motor; the wheel rolls freely along it."""


def wheel_frames(robot: RobotParameters) -> list[WheelFrame]:
    """Return the frames of the three wheels in the base frame."""
    zenith = np.deg2rad(robot.wheels.zenith_deg)
    distance = robot.ball.radius + robot.wheels.radius
    frames = []
    for k in range(3):
        azimuth = np.deg2rad(robot.wheels.azimuth_deg + 120 * k)
        normal = np.array(
            [np.sin(zenith) * np.cos(azimuth), np.sin(zenith) * np.sin(azimuth), np.cos(zenith)]
        )
        tangent = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
        center = distance * normal - np.array([0, 0, robot.base_height])
        frames.append(WheelFrame(center, normal, tangent, np.cross(tangent, normal)))
    return frames


def numbers(values: Array | tuple[float, ...]) -> str:
    """Write numbers as MJCF wants them."""
    return " ".join(f"{v:.10g}" for v in values)


def wheel_xml(robot: RobotParameters, k: int, model: WheelModel) -> str:
    """Return the MJCF body of wheel `k`."""
    build = {"sphere": _sphere_wheel, "rollers": _roller_wheel, "unaligned": _capsule_wheel}[model]
    return build(robot, k, wheel_frames(robot)[k])


def contact_geoms(robot: RobotParameters, k: int, model: WheelModel) -> list[str]:
    """Return the names of the geoms of wheel `k` that touch the ball."""
    if model != "rollers":
        return [f"wheel_{k}"]
    rollers = robot.wheels.rollers
    return [f"barrel_{k}_{i}" for i in range(rollers.rings * rollers.per_ring)]


def _motor_joint(robot: RobotParameters, k: int, axle: Array) -> str:
    w = robot.wheels
    return (
        f'<joint name="motor_{k}" type="hinge" axis="{numbers(axle)}" '
        f'armature="{w.rotor_inertia:.10g}" damping="{w.damping:.10g}"/>'
    )


def _sphere_wheel(robot: RobotParameters, k: int, frame: WheelFrame) -> str:
    """A hub with the wheel's inertia and a light sphere on a passive hinge around it."""
    w = robot.wheels
    light = 0.1 * w.mass
    hub_inertia = 0.5 * (w.mass - light) * w.radius**2
    sphere_inertia = 0.4 * light * w.radius**2
    return f"""
      <body name="wheel_{k}" pos="{numbers(frame.center)}">
        {_motor_joint(robot, k, frame.axle)}
        <inertial pos="0 0 0" mass="{w.mass - light:.10g}"
          diaginertia="{numbers((hub_inertia,) * 3)}"/>
        <body name="roller_{k}">
          <joint name="roller_{k}" type="hinge" axis="{numbers(frame.tangent)}"/>
          <inertial pos="0 0 0" mass="{light:.10g}" diaginertia="{numbers((sphere_inertia,) * 3)}"/>
          <geom name="wheel_{k}" class="wheel" type="sphere" size="{w.radius:.10g}"/>
        </body>
      </body>"""


def _capsule_wheel(robot: RobotParameters, k: int, frame: WheelFrame) -> str:
    """A capsule about the axle; its contact frame is MuJoCo's, which does not turn with it."""
    w = robot.wheels
    size = numbers((w.radius, CAPSULE_HALF_LENGTH))
    inertia = numbers((0.5 * w.mass * w.radius**2,) * 3)
    return f"""
      <body name="wheel_{k}" pos="{numbers(frame.center)}">
        {_motor_joint(robot, k, frame.axle)}
        <inertial pos="0 0 0" mass="{w.mass:.10g}" diaginertia="{inertia}"/>
        <geom name="wheel_{k}" class="wheel" type="capsule" size="{size}"
          zaxis="{numbers(frame.axle)}"/>
      </body>"""


def _roller_wheel(robot: RobotParameters, k: int, frame: WheelFrame) -> str:
    """A hub with one or two rings of free barrels; the frame's z axis is the axle."""
    w, rollers = robot.wheels, robot.wheels.rollers
    hub_mass = w.mass - rollers.rings * rollers.per_ring * rollers.mass
    if hub_mass <= 0:
        raise UserError("wheels.rollers: the rollers weigh more than the wheel they sit on.")
    barrels = "".join(
        _barrel_xml(rollers, w.radius, k, ring, i)
        for ring in range(rollers.rings)
        for i in range(rollers.per_ring)
    )
    axes = numbers(np.concatenate([frame.normal, frame.tangent]))
    return f"""
      <body name="wheel_{k}" pos="{numbers(frame.center)}" xyaxes="{axes}">
        {_motor_joint(robot, k, np.array([0.0, 0.0, -1.0]))}
        <inertial pos="0 0 0" mass="{hub_mass:.10g}"
          diaginertia="{numbers((0.5 * hub_mass * w.radius**2,) * 3)}"/>{barrels}
      </body>"""


def _barrel_xml(rollers: Rollers, radius: float, k: int, ring: int, i: int) -> str:
    """One barrel: an ellipsoid whose outline follows the rim (long half axis sqrt(r b))."""
    angle = 2 * np.pi * (i + 0.5 * ring) / rollers.per_ring
    out = np.array([np.cos(angle), np.sin(angle), 0.0])
    offset = (ring - 0.5 * (rollers.rings - 1)) * rollers.ring_spacing
    b = rollers.barrel_radius
    half_length = float(np.sqrt(radius * b))
    inertia = 0.2 * rollers.mass
    small, large = inertia * 2 * b**2, inertia * (b**2 + half_length**2)
    name = f"barrel_{k}_{ring * rollers.per_ring + i}"
    return f"""
        <body pos="{numbers((radius - b) * out + np.array([0, 0, offset]))}"
          xyaxes="{numbers(np.concatenate([out, [0, 0, -1]]))}">
          <joint name="{name}" type="hinge" axis="0 0 1" damping="1e-6"/>
          <inertial pos="0 0 0" mass="{rollers.mass:.10g}"
            diaginertia="{numbers((large, large, small))}"/>
          <geom name="{name}" class="wheel" type="ellipsoid" size="{numbers((b, b, half_length))}"/>
        </body>"""
