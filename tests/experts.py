"""Policies that are known to do their task, in a few lines each: the oracles of the audit."""

import numpy as np


def cartpole(env):
    """Push towards where the pole falls."""
    return lambda o: int(o[2] + 0.3 * o[3] + 0.02 * o[0] + 0.06 * o[1] > 0)


def pendulum(env):
    """Pump energy, then hold upright; obs: cos, sin, rate, with gravity 15 sin and 3 per torque."""

    def act(observation):
        cos, sin, rate = observation
        angle = np.arctan2(sin, cos)
        if abs(angle) < 0.5:
            return np.clip([-12.0 * angle - 2.5 * rate], -2, 2)
        missing = 15.0 - (rate**2 / 2 + 15.0 * cos)
        return np.clip([2.0 * np.sign(rate or 1.0) * np.sign(missing)], -2, 2)

    return act


def mountain_car(env):
    """Push in the direction of motion."""
    return lambda o: 2 if o[1] >= 0 else 0


def mountain_car_continuous(env):
    """Push in the direction of motion."""
    return lambda o: np.array([1.0 if o[1] >= 0 else -1.0], dtype=np.float32)


class Ballbot:
    """The robot's own controller, which reads the true state, also through an opaque shell."""

    def __init__(self, env):
        self.env = inside(env)
        self.act = None

    def reset(self):
        from ballbot.env import baselines

        self.act = baselines(self.env.robots)["balance"]

    def __call__(self, _):
        return self.act()[0]


def inside(env):
    """Return the innermost environment; those that are planted own another one."""
    env = env.unwrapped
    while (owned := getattr(env, "hidden", None) or getattr(env, "_inside", None)) is not None:
        env = owned.unwrapped
    return env


EXPERTS = {
    "CartPole-v1": cartpole,
    "Pendulum-v1": pendulum,
    "MountainCar-v0": mountain_car,
    "MountainCarContinuous-v0": mountain_car_continuous,
    "ballbot:Ballbot-v0": Ballbot,
}
