"""Faulty environments: a wrapper or a vector with one mistake each, and what must be said of it."""

from dataclasses import dataclass

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorWrapper


class StaleReset(gymnasium.Wrapper):
    """E01: reset returns what the old episode showed last."""

    last = None

    def reset(self, **kwargs):
        observation, info = self.env.reset(**kwargs)
        return (observation if self.last is None else self.last), info

    def step(self, action):
        self.last, *rest = self.env.step(action)
        return self.last, *rest


class RewardLeaks(gymnasium.Wrapper):
    """E02: a sum used in the reward survives resets."""

    total = 0.0

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        self.total += 1e-3
        return observation, reward + self.total, *rest


class ObservationLeaks(gymnasium.ObservationWrapper):
    """E02: a running mean used in the observation survives resets."""

    mean = 0.0

    def observation(self, observation):
        self.mean = 0.99 * self.mean + 0.01 * float(np.sum(observation))
        return observation + np.asarray(self.mean, observation.dtype)


class GlobalNoise(gymnasium.ObservationWrapper):
    """E03: noise from numpy's global generator."""

    def observation(self, observation):
        noise = np.random.standard_normal(observation.shape)  # noqa: NPY002
        return observation + noise.astype(observation.dtype)


class OwnNoise(gymnasium.RewardWrapper):
    """E03: noise from a generator that reset does not seed."""

    def __init__(self, env):
        super().__init__(env)
        self.rng = np.random.default_rng()

    def reward(self, reward):
        return reward + self.rng.normal()


class FixedSeed(gymnasium.Wrapper):
    """E04: every episode starts alike."""

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=5, options=options)


class Lags(gymnasium.Wrapper):
    """E05: the observation is that before the step."""

    def reset(self, **kwargs):
        self.before, info = self.env.reset(**kwargs)
        return self.before, info

    def step(self, action):
        observation, *rest = self.env.step(action)
        shown, self.before = self.before, observation
        return shown, *rest


class Aliased(gymnasium.ObservationWrapper):
    """E06: one array for all observations."""

    def __init__(self, env):
        super().__init__(env)
        self.array = np.zeros(env.observation_space.shape, env.observation_space.dtype)

    def observation(self, observation):
        self.array[:] = observation
        return self.array


class ActionScaledInPlace(gymnasium.Wrapper):
    def step(self, action):
        action *= 0.5
        return self.env.step(action)


class NeverEnds(gymnasium.Wrapper):
    """E19: done is never set."""

    def step(self, action):
        observation, reward, _, _, info = self.env.step(action)
        return observation, reward, False, False, info


class LimitIsTerminal(gymnasium.Wrapper):
    """E21: both flags are folded into one."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated or truncated, False, info


class FailureIsTruncated(gymnasium.Wrapper):
    """E22."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, False, terminated or truncated, info


class FlagsSwapped(gymnasium.Wrapper):
    """E23."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, truncated, terminated, info


@dataclass(frozen=True)
class Fault:
    """A fault, and the cause that must be named.

    Attributes:
        name: For reports.
        cause: Expected.
        wrapper: Faulty wrapper, outermost.
        envs: Environments it shows in.
    """

    name: str
    cause: str
    wrapper: type[gymnasium.Wrapper]
    envs: tuple[str, ...] = ("CartPole-v1", "Pendulum-v1")


FAULTS = [
    Fault("stale reset", "environment.stale-reset-observation", StaleReset),
    Fault(
        "stale reset, grid", "environment.stale-reset-observation", StaleReset, ("FrozenLake-v1",)
    ),
    Fault(
        "reward leaks", "reward.state-leaks-across-episodes", RewardLeaks,
        ("CartPole-v1", "Pendulum-v1", "FrozenLake-v1"),
    ),
    Fault("observation leaks", "environment.state-leaks-across-episodes", ObservationLeaks),
    Fault("global noise", "environment.seed-ignored", GlobalNoise),
    Fault("own noise", "environment.seed-ignored", OwnNoise),
    Fault("fixed seed", "environment.seed-overridden", FixedSeed),
    Fault("lags", "environment.observation-lags", Lags),
    Fault("aliased", "environment.observation-aliased", Aliased),
    Fault("scaled in place", "environment.action-modified", ActionScaledInPlace, ("Pendulum-v1",)),
]  # fmt: skip
END_FAULTS = [
    Fault("never ends", "environment.end-not-reported", NeverEnds),
    Fault("limit is terminal", "environment.limit-reported-as-terminal", LimitIsTerminal),
    Fault(
        "failure is truncated", "environment.failure-reported-as-truncated", FailureIsTruncated,
        ("CartPole-v1", "FrozenLake-v1"),
    ),
    Fault("flags swapped", "environment.end-flags-swapped", FlagsSwapped, ("CartPole-v1",)),
]  # fmt: skip


class FinalIsReset(VectorWrapper):
    """E24: the last observation is replaced by the first of the next episode."""

    def step(self, actions):
        observation, *rest, info = self.env.step(actions)
        if "final_obs" in info:
            info["final_obs"] = np.array([*observation, None], dtype=object)[:-1]
        return observation, *rest, info


class FinalMissing(VectorWrapper):
    """E24: the last observation is dropped."""

    def step(self, actions):
        *result, info = self.env.step(actions)
        return *result, {key: value for key, value in info.items() if "final" not in key}


class ClaimsOtherMode(VectorWrapper):
    """E25: the metadata names the other mode."""

    def __init__(self, env):
        super().__init__(env)
        same = env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        mode = AutoresetMode.NEXT_STEP if same else AutoresetMode.SAME_STEP
        self.metadata = env.metadata | {"autoreset_mode": mode}


class OneSeed(VectorWrapper):
    """E26: an int seeds all environments alike."""

    def reset(self, *, seed=None, options=None):
        seed = [seed] * self.num_envs if isinstance(seed, int) else seed
        return self.env.reset(seed=seed, options=options)


def one_for_all(make, mode):
    """E26: the same environment n times over."""
    env = make()
    return SyncVectorEnv([lambda: env] * 4, autoreset_mode=mode)
