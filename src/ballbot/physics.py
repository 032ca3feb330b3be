"""Two ways to step N robots: one MjData (a single robot), or a `mujoco.batch.Batch`.

Both show the same live arrays and give the same numbers, bit by bit.
"""

import copy
from typing import Any, Protocol

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError

from ballbot.config import EnvConfig
from ballbot.errors import UserError
from ballbot.kinematics import Layout
from ballbot.model.mjcf import Ground, build_model
from ballbot.model.parameters import WheelModel, load_robot
from ballbot.terrain import Flat
from ballbot.terrain.generate import max_height

Array = np.ndarray
STATE = ("time", "qpos", "qvel", "qacc_warmstart", "ctrl")
"""What a step depends on; the solver starts from the last accelerations."""


class Physics(Protocol):
    """N simulations with live state arrays."""

    models: list[mujoco.MjModel]
    qpos: Array
    qvel: Array
    ctrl: Array

    def step(self, nstep: int) -> None:
        """Advance every simulation by `nstep` physics steps; controls are held."""
        ...

    def clear(self, index: int) -> None:
        """Put one simulation into the model's initial state."""
        ...

    def models_changed(self) -> None:
        """Take note of edits to `models`."""
        ...

    def save(self) -> Array:
        """Return what the next step depends on, (N, S)."""
        ...

    def restore(self, state: Array) -> None:
        """Take over what `save` returned."""
        ...


class SinglePhysics:
    """One robot on one MjData, as every MuJoCo tool expects it."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.__setstate__({"models": [model], "data": mujoco.MjData(model)})

    def __getstate__(self) -> dict[str, Any]:
        return {"models": self.models, "data": self.data}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Bind the live arrays: a copy must look at its own data, not at the original's."""
        self.models, self.data = state["models"], state["data"]
        self.qpos = self.data.qpos[None]
        self.qvel = self.data.qvel[None]
        self.ctrl = self.data.ctrl[None]

    def step(self, nstep: int) -> None:
        """Advance by `nstep` physics steps."""
        mujoco.mj_step(self.models[0], self.data, nstep)

    def clear(self, index: int) -> None:
        """Put the robot into the model's initial state."""
        mujoco.mj_resetData(self.models[0], self.data)

    def models_changed(self) -> None:
        """Nothing to do: the model is used as it is."""

    def save(self) -> Array:
        """Return what the next step depends on, (1, S)."""
        parts = [np.atleast_1d(getattr(self.data, name)) for name in STATE]
        return np.concatenate(parts)[None]

    def restore(self, state: Array) -> None:
        """Take over what `save` returned."""
        parts = _split(self.models[0], state)
        self.data.time = parts.pop("time")[0, 0]
        for name, values in parts.items():
            getattr(self.data, name)[:] = values[0]


class BatchPhysics:
    """N robots on a batch; each has its own model, since height fields cannot be expanded."""

    def __init__(self, model: mujoco.MjModel, num: int, num_threads: int = 0) -> None:
        self.models = [copy.copy(model) for _ in range(num)]
        self.batch = Batch(model, num, num_threads)
        self.batch.set_models(self.models)
        self.batch.reset()
        self.qpos = self.batch.bind("qpos")
        self.qvel = self.batch.bind("qvel")
        self.ctrl = self.batch.bind("ctrl")

    def step(self, nstep: int) -> None:
        """Advance by `nstep` physics steps; a simulation that fails becomes NaN."""
        try:
            self.batch.step(nstep=nstep)
        except SimulationError as error:
            self.qpos[error.ids] = np.nan

    def clear(self, index: int) -> None:
        """Put one simulation into the model's initial state."""
        self.batch.reset([index], stage=int(mujoco.mjtStage.mjSTAGE_NONE))

    def models_changed(self) -> None:
        """Hand the edited models to the batch."""
        self.batch.set_models(self.models)

    def save(self) -> Array:
        """Return what the next step depends on, (N, S)."""
        rows = len(self.models)
        return np.concatenate([self.batch.bind(n).reshape(rows, -1) for n in STATE], axis=1)

    def restore(self, state: Array) -> None:
        """Take over what `save` returned."""
        for name, values in _split(self.models[0], state).items():
            bound = self.batch.bind(name)
            bound[...] = values.reshape(bound.shape)


def layout_of(model: mujoco.MjModel) -> Layout:
    """Return where the robot's joints are in qpos and qvel."""
    base, ball = model.joint("base"), model.joint("ball")
    motors = [model.joint(f"motor_{k}").dofadr[0] for k in range(3)]
    return Layout(int(base.qposadr[0]), int(base.dofadr[0]), int(ball.qposadr[0]), np.array(motors))


def wheel_hinges(model: mujoco.MjModel, wheel_model: WheelModel) -> tuple[Array, Array]:
    """Return the qpos addresses of the motor hinges, and of all hinges to set back to zero.

    Only sphere wheels are set back; explicit rollers look different at every angle.
    """
    motors = np.array([model.joint(f"motor_{k}").qposadr[0] for k in range(3)])
    if wheel_model != "sphere":
        return motors, np.array([], dtype=np.int64)
    rollers = np.array([model.joint(f"roller_{k}").qposadr[0] for k in range(3)])
    return motors, np.sort(np.concatenate([motors, rollers]))


def _split(model: mujoco.MjModel, state: Array) -> dict[str, Array]:
    sizes = [1, model.nq, model.nv, model.nv, model.nu]
    return dict(zip(STATE, np.split(np.asarray(state), np.cumsum(sizes)[:-1], axis=1), strict=True))


def make_model(config: EnvConfig) -> mujoco.MjModel:
    """Compile the robot on the ground that a configuration asks for.

    Raises:
        UserError: MuJoCo refuses the robot's file.
    """
    terrain = config.terrain
    ground = (
        Ground()
        if isinstance(terrain, Flat)
        else Ground(terrain.resolution, terrain.half_size, max_height(terrain))
    )
    try:
        return build_model(
            load_robot(config.robot),
            ground,
            wheel_model=config.wheel_model,
            timestep=config.timestep,
            integrator=config.integrator,
        )
    except ValueError as error:
        raise UserError(f"robot {config.robot!r}: {' '.join(str(error).split())}") from None
