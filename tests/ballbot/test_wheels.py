"""The omniwheel: grips along its rim, rolls along its axle, whichever way the robot looks."""

import re

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ballbot.config import make_config
from ballbot.controllers import BalanceController
from ballbot.model.mjcf import build_model, build_xml, traction_limit
from ballbot.model.parameters import load_robot
from ballbot.model.wheels import numbers, wheel_frames
from ballbot.physics import layout_of
from ballbot.robots import Robots

DRIVE = 0.3


def settled(yaw_deg=0.0, tilt_deg=0.0, **settings):
    """One robot on a plane, looking along `yaw_deg`."""
    config = make_config(None, start={"tilt_deg": 0, "speed": 0, "heading_deg": 0}, **settings)
    robots = Robots(config, 1, batched=False)
    robots.reset([0])
    turn(robots, yaw_deg, tilt_deg)
    return robots


def turn(robots, yaw_deg, tilt_deg):
    """Lean the robot along its own x axis and turn everything about the vertical."""
    robot, qpos = robots.robot, robots.physics.qpos[0]
    tilt, yaw = np.deg2rad(tilt_deg), np.deg2rad(yaw_deg)
    base, ball = robots._layout.base_qpos, robots._layout.ball_qpos
    up = np.array([np.sin(tilt) * np.cos(yaw), np.sin(tilt) * np.sin(yaw), np.cos(tilt)])
    qpos[base : base + 3] = qpos[ball : ball + 3] + robot.base_height * up
    lean, head = np.zeros(4), np.zeros(4)
    mujoco.mju_axisAngle2Quat(lean, np.array([0.0, 1.0, 0.0]), tilt)
    mujoco.mju_axisAngle2Quat(head, np.array([0.0, 0.0, 1.0]), yaw)
    mujoco.mju_mulQuat(qpos[base + 3 : base + 7], head, lean)
    robots._read_state()


class CorrectedCapsules:
    """The published kind of wheel, on stock MuJoCo, with every contact frame put right by hand.

    A capsule about each axle with anisotropic friction; between the two halves of a step the
    contact frames are turned so that the slippery direction is the axle, and the constraints are
    built again.
    """

    def __init__(self, config):
        robot = load_robot(config.robot)
        xml = build_xml(robot, timestep=config.timestep)
        xml = re.sub(r'<joint name="roller_\d".*?/>', "", xml)
        for k, frame in enumerate(wheel_frames(robot)):
            xml = re.sub(
                rf'(name="wheel_{k}" class="wheel") type="sphere" size="([\d.]+)"',
                rf'\1 type="capsule" size="\2 0.02" zaxis="{numbers(frame.axle)}"',
                xml,
            )
        grip = robot.wheels.friction
        xml = xml.replace(
            f'condim="3" friction="{grip} {grip}', f'condim="3" friction="0.001 {grip}'
        )
        model = mujoco.MjModel.from_xml_string(xml)
        assert sum(model.geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE) >= 3
        self.models, self.data = [model], mujoco.MjData(model)
        self.qpos, self.qvel = self.data.qpos[None], self.data.qvel[None]
        self.ctrl = self.data.ctrl[None]
        self._axles = {
            model.geom(f"wheel_{k}").id: (model.body("base").id, frame.axle)
            for k, frame in enumerate(wheel_frames(robot))
        }

    def clear(self, index):
        mujoco.mj_resetData(self.models[0], self.data)

    def step(self, nstep):
        model, data = self.models[0], self.data
        for _ in range(nstep):
            mujoco.mj_step1(model, data)
            self._turn_frames()
            mujoco.mj_makeConstraint(model, data)
            mujoco.mj_projectConstraint(model, data)
            mujoco.mj_referenceConstraint(model, data)
            mujoco.mj_step2(model, data)

    def _turn_frames(self):
        for contact in self.data.contact:
            for geom in contact.geom:
                if geom in self._axles:
                    body, axle = self._axles[geom]
                    normal = contact.frame[:3]
                    along = self.data.xmat[body].reshape(3, 3) @ axle
                    along = along - (along @ normal) * normal
                    along /= np.linalg.norm(along)
                    contact.frame[3:6] = along
                    contact.frame[6:9] = np.cross(normal, along)


def on_capsules(robots):
    """Put a robot onto corrected capsules; everything else stays."""
    physics = CorrectedCapsules(robots.config)
    robots.physics = physics
    robots._layout = layout_of(physics.models[0])
    address = [int(physics.models[0].joint(f"motor_{k}").qposadr[0]) for k in range(3)]
    robots.actuation.motors = robots.actuation.hinges = np.array(address)
    robots.reset([0])
    return robots


def drive(robots, seconds, velocity):
    """Balance and follow a velocity; return base positions and tilts (deg) over time."""
    controller = BalanceController(robots, np.asarray(velocity))
    path, tilts = [], []
    for _ in range(round(seconds / robots.config.control_dt)):
        robots.step(controller.act())
        path.append(robots.state.position[0].copy())
        tilts.append(np.rad2deg(robots.state.tilt[0]))
    return np.array(path), np.array(tilts)


@pytest.mark.parametrize("yaw", [0.0, 60.0, 135.0])
def test_agrees_with_a_capsule_whose_contact_frames_are_corrected(yaw):
    ours, theirs = settled(yaw, 3.0), on_capsules(settled())
    turn(theirs, yaw, 3.0)
    path, tilts = drive(ours, 4.0, (DRIVE, 0))
    expected, expected_tilts = drive(theirs, 4.0, (DRIVE, 0))
    assert expected[-1, 0] > 0.8  # the reference itself drives
    assert np.abs(path - expected).max() < 0.01
    assert np.abs(tilts - expected_tilts).max() < 0.3


def test_the_reference_notices_uncorrected_frames():
    """The comparison above can fail: without correction the same capsules fall."""
    robots = on_capsules(settled())
    robots.physics._turn_frames = lambda: None
    turn(robots, 60.0, 3.0)
    _, tilts = drive(robots, 4.0, (DRIVE, 0))
    assert tilts.max() > 20


@settings(max_examples=15, deadline=None)
@given(yaw=st.floats(-180, 180), seed=st.integers(0, 1000))
def test_a_turned_robot_answers_with_the_turned_motion(yaw, seed):
    actions = np.random.default_rng(seed).uniform(-0.4, 0.4, (30, 1, 3))
    ends = []
    for angle in (0.0, yaw):
        robots = settled(angle, 2.0)
        for action in actions:
            robots.step(action)
        ends.append(robots.state)
    c, s = np.cos(np.deg2rad(yaw)), np.sin(np.deg2rad(yaw))
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    straight, turned = ends
    np.testing.assert_allclose(turned.position[0], rotation @ straight.position[0], atol=2e-5)
    np.testing.assert_allclose(turned.velocity[0], rotation @ straight.velocity[0], atol=2e-4)
    np.testing.assert_allclose(turned.wheel_speed[0], straight.wheel_speed[0], atol=2e-2)


def contact_of(robots, k):
    """Contact of wheel k: point, normal force (N), forces and slip along (axle, tangent)."""
    model, data = robots.physics.models[0], robots.physics.data
    mujoco.mj_forward(model, data)
    wheel = model.geom(f"wheel_{k}").id
    index = next(i for i, c in enumerate(data.contact) if wheel in c.geom)
    contact = data.contact[index]
    force = np.zeros(6)
    mujoco.mj_contactForce(model, data, index, force)
    frame = contact.frame.reshape(3, 3)
    rotation = data.body("base").xmat.reshape(3, 3)
    wheel_frame = wheel_frames(robots.robot)[k]
    axes = np.stack([rotation @ wheel_frame.axle, rotation @ wheel_frame.tangent])
    world_force = frame.T @ force[:3]
    slip = np.zeros(3)
    for sign, body in ((1, f"roller_{k}"), (-1, "ball")):
        jacobian = np.zeros((3, model.nv))
        mujoco.mj_jac(model, data, jacobian, None, contact.pos, model.body(body).id)
        slip += sign * (jacobian @ data.qvel)
    return force[0], axes @ world_force, axes @ slip


def test_grips_along_the_rim_and_rolls_along_the_axle():
    """At 0.5 m/s the wheel whose axle points along the way spins freely, the others do not slip."""
    robots = settled(0.0)
    drive(robots, 5.0, (0.5, 0))
    surface_speed = 0.5 * np.cos(np.deg2rad(robots.robot.wheels.zenith_deg))
    for k in range(3):
        normal, force, slip = contact_of(robots, k)
        assert normal > 5  # it carries its share of the weight
        assert abs(slip[1]) < 0.01 * surface_speed  # no slip along the gripping axis
        assert abs(force[0]) < 0.02 * normal  # hardly any force along the axle
    rolling = robots.physics.data.joint("roller_0").qvel[0]
    assert abs(rolling) * robots.robot.wheels.radius > 0.5 * surface_speed  # wheel 0 does roll


def test_setting_back_every_ten_milliseconds_is_as_good_as_every_step(monkeypatch):
    path, _ = drive(settled(40.0, 3.0), 4.0, (1.0, 0))
    monkeypatch.setattr("ballbot.actuation.UNTOUCHED_S", 0.0)
    exact, _ = drive(settled(40.0, 3.0), 4.0, (1.0, 0))
    assert exact[-1, 0] > 2.5
    assert 0 < np.abs(path - exact).max() < 5e-4
    slow, rare = (settled(40.0, 3.0, control_hz=10) for _ in range(2))
    exact, _ = drive(slow, 4.0, (1.0, 0))
    monkeypatch.setattr("ballbot.actuation.UNTOUCHED_S", 0.1)
    path, _ = drive(rare, 4.0, (1.0, 0))
    assert np.abs(path - exact).max() > 5e-3  # ten times rarer is seen


def test_wheel_angle_is_counted_although_hinges_are_set_back():
    robots = settled(0.0)
    drive(robots, 4.0, (DRIVE, 0))
    assert np.abs(robots.physics.qpos[0, 7:13]).max() == 0
    travelled = robots.state.ball_position[0, 0]
    # wheel k turns by the ball's rotation about its axle: radius * angle = cos(zenith) * path
    tangents = np.array([f.tangent[0] for f in wheel_frames(robots.robot)])
    normal_z = np.cos(np.deg2rad(robots.robot.wheels.zenith_deg))
    expected = tangents * travelled * normal_z / robots.robot.wheels.radius
    np.testing.assert_allclose(robots.actuation.wheel_angle[0], expected, atol=0.5)


def energy(model, data):
    mujoco.mj_energyPos(model, data)
    mujoco.mj_energyVel(model, data)
    return data.energy.sum()


def without_drag():
    robots = settled(20.0, 4.0)
    model = robots.physics.models[0]
    model.dof_damping[:] = 0
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    return robots, model, robots.physics.data


def test_setting_hinges_back_hardly_changes_energy_and_contacts_create_none():
    """A robot without drag that topples: friction may take energy, nothing may add much."""
    robots, model, data = without_drag()
    hinges = robots.actuation.hinges
    for _ in range(50):  # let it settle onto its wheels
        mujoco.mj_step(model, data)
        data.qpos[hinges] = 0
    levels, jumps = [], []
    for _ in range(150):
        mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)
        before = energy(model, data)
        data.qpos[hinges] = 0
        mujoco.mj_forward(model, data)
        levels.append(energy(model, data))
        jumps.append(levels[-1] - before)
    kinetic = data.energy[1]
    assert kinetic > 3  # it topples: 3.5 J after 0.4 s
    assert np.abs(jumps).sum() < 2e-3 * kinetic
    # the springs of the soft contacts hold about 0.03 J that are not in `energy`
    assert np.max(np.array(levels) - levels[0]) < 0.015 * kinetic


def test_rollers_and_spheres_agree():
    """Explicit rollers shake, but the robot goes the same way."""
    smooth, _ = drive(settled(0.0, 3.0), 4.0, (DRIVE, 0))
    real, tilts = drive(settled(0.0, 3.0, wheel_model="rollers"), 4.0, (DRIVE, 0))
    assert tilts.max() < 12
    assert abs(real[-1, 0] - smooth[-1, 0]) < 0.1
    assert abs(real[-1, 1] - smooth[-1, 1]) < 0.1


@pytest.mark.parametrize("name", ["default", "paper"])
def test_robot_files_are_what_they_claim(name):
    robot = load_robot(name)
    model = build_model(robot)
    total = sum(g.mass for g in robot.base) + 3 * robot.wheels.mass + robot.ball.mass
    assert model.body_mass.sum() == pytest.approx(total)
    assert model.opt.jacobian == mujoco.mjtJacobian.mjJAC_DENSE
    if name == "default":
        assert robot.wheels.torque_max < traction_limit(robot)
        assert robot.no_load_speed * robot.wheels.radius / np.cos(np.pi / 4) > 1.0
    else:
        assert total == pytest.approx(4.021, abs=1e-3)  # the published mass
        assert robot.no_load_speed == pytest.approx(12.5)


def test_unaligned_wheels_are_the_uncorrected_capsules():
    """The published wheel on stock MuJoCo falls while driving, where the sphere wheel does not."""
    for yaw in (30.0, 90.0):
        aligned = drive(settled(yaw, 3.0), 4.0, (DRIVE, 0))[1]
        unaligned = drive(settled(yaw, 3.0, wheel_model="unaligned"), 4.0, (DRIVE, 0))[1]
        assert np.max(aligned) < 15 < np.max(unaligned)
