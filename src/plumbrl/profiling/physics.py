"""MuJoCo alone: the same model from the same states, without the environment around it."""

import time
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np

STATES, APART = 200, 7
"""States kept, and steps between two of them: no multiple of the usual frame skips."""


@dataclass
class BarePhysics:
    """Keeps states that an environment passes through, and steps MuJoCo alone from them.

    Attributes:
        skip: Physics steps in a step of the environment; 0 until it is known.
    """

    model: Any
    data: Any
    skip: int = 0
    states: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def of(cls, env: gymnasium.Env) -> "BarePhysics | None":
        """Return the physics of an environment; None if it has no MuJoCo model and data."""
        inner = env.unwrapped
        model, data = getattr(inner, "model", None), getattr(inner, "data", None)
        if type(model).__name__ != "MjModel" or type(data).__name__ != "MjData":
            return None
        return cls(model, data)

    def gather(self, env: gymnasium.Env, steps: int) -> None:
        """Go through some steps with random actions and keep states that they begin from."""
        import mujoco

        size = mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_INTEGRATION)
        env.reset()
        for step in range(steps):
            began = self.data.time
            *_, terminated, truncated, _ = env.step(env.action_space.sample())
            self.skip = round((self.data.time - began) / self.model.opt.timestep) or self.skip
            if step % APART == 0 and len(self.states) < STATES:
                state = np.empty(size)
                mujoco.mj_getState(
                    self.model, self.data, state, mujoco.mjtState.mjSTATE_INTEGRATION
                )
                self.states.append(state)
            if terminated or truncated:
                env.reset()

    def seconds(self, budget: float) -> float | None:
        """Return the time (s) of the physics of one step; None if the environment never stepped it.

        Controls are those of the moment, so that the solver has the same work.
        """
        import mujoco

        if self.skip < 1 or not self.states:
            return None
        data, spent = mujoco.MjData(self.model), []
        end = time.perf_counter() + budget
        while not spent or time.perf_counter() < end:
            for state in self.states:
                mujoco.mj_setState(self.model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
                begin = time.perf_counter()
                mujoco.mj_step(self.model, data, self.skip)
                spent.append(time.perf_counter() - begin)
        return float(np.mean(spent))
