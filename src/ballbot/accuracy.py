"""How far a time step and an integrator are from the truth: the numbers behind the defaults.

A robot leans and is pushed about by fixed torques for 0.6 s. The same is simulated with a ten
times finer step of RK4, and positions, tilts and energies are compared.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from ballbot.config import make_config
from ballbot.kinematics import State, read_state
from ballbot.robots import Robots

Array = np.ndarray
SECONDS = 0.6
REFERENCE_STEP = 0.0002
PULSE = 0.02
"""Seconds between samples and between changes of torque; a multiple of every step compared."""


@dataclass(frozen=True)
class Error:
    """Largest differences to the reference over the trial.

    Attributes:
        position_m: Of the base.
        tilt_deg: Of the base.
        energy_share: Of total energy at the end, as a share of the energy turned over.
    """

    position_m: float
    tilt_deg: float
    energy_share: float


def compare(robot: str, integrator: str, timestep: float) -> Error:
    """Compare a choice with RK4 at 0.2 ms."""
    positions, tilts, energies = trial(robot, integrator, timestep)
    true_positions, true_tilts, true_energies = trial(robot, "RK4", REFERENCE_STEP)
    turned_over = np.ptp(true_energies)
    return Error(
        float(np.abs(positions - true_positions).max()),
        float(np.rad2deg(np.abs(tilts - true_tilts).max())),
        float((energies[-1] - true_energies[-1]) / turned_over),
    )


def trial(robot: str, integrator: str, timestep: float) -> tuple[Array, Array, Array]:
    """Simulate the trial; return base positions (K, 3), tilts (K,) and total energies (K,)."""
    config = make_config(
        None,
        robot=robot,
        timestep=timestep,
        integrator=integrator,
        control_hz=1 / PULSE,
        start={"tilt_deg": 4.0, "speed": 0.0},
        max_tilt_deg=60,
    )
    robots = Robots(config, 1, batched=False)
    robots.rngs = [np.random.default_rng(3)]
    robots.reset(np.array([0]))
    model, data = robots.physics.models[0], mujoco.MjData(robots.physics.models[0])
    torques = np.random.default_rng(5).uniform(-0.25, 0.25, (round(SECONDS / PULSE), 3))
    state, rows = State.empty(1), []
    for torque in torques:
        robots.step(torque[None])
        read_state(robots.physics.qpos, robots.physics.qvel, robots._layout, state)
        data.qpos[:], data.qvel[:] = robots.physics.qpos[0], robots.physics.qvel[0]
        mujoco.mj_forward(model, data)
        mujoco.mj_energyPos(model, data)
        mujoco.mj_energyVel(model, data)
        rows.append((state.position[0].copy(), state.tilt[0], data.energy.sum()))
    positions, tilts, energies = zip(*rows, strict=True)
    return np.array(positions), np.array(tilts), np.array(energies)
