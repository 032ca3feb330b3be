"""Tasks that cannot be learned as they are set, each hidden in an opaque environment."""

import gymnasium
import numpy as np

from faults.audit_reward import BALLBOT, CART, CHEETAH, HOPPER, PENDULUM, Fault, Paid

CAR, CAR_CONTINUOUS = "MountainCar-v0", "MountainCarContinuous-v0"


class FarGoal(Paid):
    """T01: nothing is paid until a goal that chance does not reach."""

    def step(self, action):
        observation, _, terminated, truncated, info = self.env.step(action)
        self.t += 1
        self.held = self.held + 1 if self.near(observation, info) else 0
        there = self.held >= (1 if "x_position" in info else self.size)
        return observation, float(there), terminated, truncated, dict(info)

    def begin(self):
        self.held = 0

    def near(self, observation, info):
        if "x_position" in info:
            return info["x_position"] > self.size
        if isinstance(observation, dict):
            return True  # the robot that has not fallen
        return observation[0] > 0.9 if len(observation) == 3 else True


class AtTheEnd(Paid):
    """T02: everything is paid when the episode ends, long after what it is paid for."""

    def begin(self):
        self.sum = 0.0

    def pay(self, reward, action, terminated, info):
        self.sum += reward
        return self.sum if self.ended else 0.0


class Hurried(Paid):
    """T03: the limit leaves no time to reach the goal."""

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, truncated or self.t >= self.size, info

    def pay(self, reward, action, terminated, info):
        return reward


class Narrow(Paid):
    """T04: whatever leaves a narrow range around the first observation counts as a failure."""

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed, options=options)
        self.first = numbers(observation)
        return observation, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        away = np.abs(numbers(observation) - self.first).max() > self.size
        return observation, reward, bool(terminated or away), truncated, info


def numbers(observation):
    return np.asarray(
        observation["proprioception"] if isinstance(observation, dict) else observation
    )


def _fault(name, label, causes, wrapper: type[gymnasium.Wrapper], size):
    return Fault(name, label, frozenset(causes.split()), wrapper, size)


FAULTS = [
    _fault(
        "far goal", "T01", "task.needs-curriculum reward.constant reward.sparse",
        FarGoal, {CART: 250, PENDULUM: 60, HOPPER: 3, CHEETAH: 10, BALLBOT: 300},
    ),
    _fault(
        "paid at the end", "T02", "task.horizon-too-short reward.sparse reward.delayed",
        AtTheEnd, {CHEETAH: 1.0, CAR_CONTINUOUS: 1.0},
    ),
    _fault("hurried", "T03", "task.needs-curriculum", Hurried, {CAR: 50, CAR_CONTINUOUS: 40}),
    _fault(
        "narrow", "T04",
        "task.episodes-too-short environment.episodes-end-at-once environment.end-unexplained",
        Narrow, {CART: 0.2, PENDULUM: 1.0},
    ),
]  # fmt: skip
"""The last shows only with an oracle, or with a policy that was trained."""
NEED_ORACLE = ("narrow",)
