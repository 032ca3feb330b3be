"""Integrators and time steps against a ten times finer reference: accuracy and cost.

python benchmarks/integrators.py
"""

import time

import mujoco

from ballbot.accuracy import compare
from ballbot.model.mjcf import build_model
from ballbot.model.parameters import load_robot


def cost(robot, integrator, timestep):
    """Microseconds of one core per simulated millisecond, robot at rest on a plane."""
    model = build_model(load_robot(robot), integrator=integrator, timestep=timestep)
    data = mujoco.MjData(model)
    steps = round(0.3 / timestep)
    begin = time.perf_counter()
    for _ in range(10):
        mujoco.mj_resetData(model, data)
        mujoco.mj_step(model, data, steps)
    return (time.perf_counter() - begin) / 10 * 1e6 / 300


if __name__ == "__main__":
    print(
        "| robot | integrator | step (ms) | position (mm) | tilt (deg) | energy (%) | us per ms |"
    )
    print("|---|---|---|---|---|---|---|")
    for robot in ("default", "paper"):
        for integrator in ("implicitfast", "RK4"):
            for timestep in (0.0005, 0.001, 0.002, 0.004, 0.005, 0.01):
                error = compare(robot, integrator, timestep)
                print(
                    f"| {robot} | {integrator} | {1e3 * timestep:g} | {1e3 * error.position_m:.2f} "
                    f"| {error.tilt_deg:.2f} | {1e2 * error.energy_share:.1f} "
                    f"| {cost(robot, integrator, timestep):.1f} |"
                )
