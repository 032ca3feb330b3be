"""Domain randomisation: what differs between one episode's robot and the next."""

from dataclasses import dataclass

import mujoco
import numpy as np

from ballbot.config import Randomization

Array = np.ndarray


@dataclass
class Variation:
    """What was drawn for N robots.

    Attributes:
        motor_gain: Factor on each motor, (N, 3).
        delay: Physics steps between action and torque, (N,).
        next_push: Episode time (s) of the next kick, (N,); inf without kicks.
    """

    motor_gain: Array
    delay: Array
    next_push: Array

    @classmethod
    def none(cls, num: int) -> "Variation":
        """Return the variation of robots exactly as their parameters say."""
        return cls(np.ones((num, 3)), np.zeros(num, dtype=np.int64), np.full(num, np.inf))

    def draw(
        self, i: int, config: Randomization, timestep: float, rng: np.random.Generator
    ) -> None:
        """Draw what robot `i` has in its next episode."""
        if config.motor_gain:
            self.motor_gain[i] = _factor(config.motor_gain, rng, 3)
        low, high = config.latency_ms
        if high:
            self.delay[i] = round(rng.uniform(low, high) / (1000 * timestep))
        if config.push_speed:
            self.next_push[i] = rng.exponential(config.push_interval_s)


def randomize_model(
    model: mujoco.MjModel, nominal: mujoco.MjModel, config: Randomization, rng: np.random.Generator
) -> bool:
    """Draw masses and frictions into `model`; return whether anything changed."""
    if config.friction:
        model.pair_friction[:] = nominal.pair_friction * _factor(config.friction, rng, 1)
    if config.mass:
        base, factor = model.body("base").id, _factor(config.mass, rng, 1)
        model.body_mass[base] = nominal.body_mass[base] * factor[0]
        model.body_inertia[base] = nominal.body_inertia[base] * factor[0]
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return bool(config.friction or config.mass)


def kick(config: Randomization, rng: np.random.Generator) -> Array:
    """Return a change of the base's horizontal velocity (m/s), uniform in a disc, (2,)."""
    angle = rng.uniform(0, 2 * np.pi)
    speed = config.push_speed * np.sqrt(rng.uniform())
    return speed * np.array([np.cos(angle), np.sin(angle)])


def _factor(spread: float, rng: np.random.Generator, size: int) -> Array:
    return rng.uniform(1 - spread, 1 + spread, size)
