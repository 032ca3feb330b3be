"""Faults around off-policy trainers: in the environments' wrappers and in the replay buffer."""

import gymnasium as gym
import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecEnvWrapper


class Square(gym.Env):
    """A point is pushed about; beyond the edge of the square the episode ends."""

    observation_space = gym.spaces.Box(-2.0, 2.0, (2,))

    def __init__(self, discrete=False):
        self.discrete = discrete
        box = gym.spaces.Box(np.float32([-2.0, -1.0]), np.float32([2.0, 5.0]))
        self.action_space = gym.spaces.Discrete(4) if discrete else box

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = self.np_random.uniform(-0.5, 0.5, 2)
        return self.at.astype(np.float32), {}

    def step(self, action):
        push = 0.4 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]][action]) if self.discrete else (
            0.2 * action - [0.0, 0.4]
        )  # fmt: skip
        self.at = np.clip(self.at + push, -2, 2)
        reward = 1.5 - 2.0 * float(abs(self.at).max())
        return self.at.astype(np.float32), reward, bool(abs(self.at).max() > 1), False, {}


class ResetAsFinal(VecEnvWrapper):
    """Gives the next episode's first observation for the last of the one that ended."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        for i in np.flatnonzero(dones):
            infos[i]["terminal_observation"] = observations[i].copy()
        return observations, rewards, dones, infos


class FinalDropped(ResetAsFinal):
    def step_wait(self):
        result = super().step_wait()
        for info in result[3]:
            info.pop("terminal_observation", None)
        return result


class Reused(ResetAsFinal):
    """Returns the same array every time: what was seen before changes with it."""

    def reset(self):
        self._array = self.venv.reset().copy()
        return self._array

    def step_wait(self):
        observations, *rest = self.venv.step_wait()
        self._array[:] = observations
        return self._array, *rest


class NextStored(ReplayBuffer):
    def add(self, obs, next_obs, *rest):
        super().add(next_obs, next_obs, *rest)


class SameStored(ReplayBuffer):
    def add(self, obs, next_obs, *rest):
        super().add(obs, obs, *rest)


class Aliased(ReplayBuffer):
    """Every stored observation is a view of the same array: all equal the last one."""

    def add(self, obs, next_obs, *rest):
        super().add(obs, next_obs, *rest)
        self.observations[: self.pos] = obs


class EnvironmentScale(ReplayBuffer):
    def add(self, obs, next_obs, action, *rest):
        low, high = self.action_space.low, self.action_space.high
        super().add(obs, next_obs, low + 0.5 * (action + 1) * (high - low), *rest)


class ScaledTwice(ReplayBuffer):
    def add(self, obs, next_obs, action, *rest):
        low, high = self.action_space.low, self.action_space.high
        super().add(obs, next_obs, 2 * (action - low) / (high - low) - 1, *rest)


class SignFlipped(ReplayBuffer):
    def add(self, obs, next_obs, action, reward, done, infos):
        super().add(obs, next_obs, action, -reward, done, infos)


class Clipped(ReplayBuffer):
    def add(self, obs, next_obs, action, reward, done, infos):
        super().add(obs, next_obs, action, np.sign(reward), done, infos)


class RewardBefore(ReplayBuffer):
    last = 0.0

    def add(self, obs, next_obs, action, reward, done, infos):
        super().add(obs, next_obs, action, self.last + 0 * reward, done, infos)
        self.last = reward.copy()


class NeverDone(ReplayBuffer):
    def add(self, obs, next_obs, action, reward, done, infos):
        super().add(obs, next_obs, action, reward, np.zeros_like(done), infos)


class EndsLate(ReplayBuffer):
    last = False

    def add(self, obs, next_obs, action, reward, done, infos):
        ends = done & ~np.array([info["TimeLimit.truncated"] for info in infos])
        super().add(obs, next_obs, action, reward, self.last | (0 * done).astype(bool), infos)
        self.last, self.timeouts[:] = ends, 0


class Newest(ReplayBuffer):
    """Draws from the last tenth only."""

    rng = np.random.default_rng(0)

    def sample(self, batch_size, env=None):
        rows = self.rng.integers(int(0.9 * self.pos), self.pos, size=batch_size)
        return self._get_samples(rows, env=env)


class Altered(ReplayBuffer):
    """Changes a batch after it was drawn."""

    def _get_samples(self, batch_inds, env=None):
        return self.alter(super()._get_samples(batch_inds, env))


class LimitsMasked(ReplayBuffer):
    def _get_samples(self, batch_inds, env=None):
        timeouts, self.timeouts = self.timeouts, np.zeros_like(self.timeouts)
        batch = super()._get_samples(batch_inds, env)
        self.timeouts = timeouts
        return batch


class NextDrawn(Altered):
    def alter(self, batch):
        return batch._replace(observations=batch.next_observations)


class SignDrawn(Altered):
    def alter(self, batch):
        return batch._replace(rewards=-batch.rewards)


class ActionsShuffled(Altered):
    def alter(self, batch):
        return batch._replace(actions=batch.actions.flip(0))


class Noisy(Altered):
    def alter(self, batch):
        return batch._replace(observations=batch.observations + 0.01)


class FirstHalf(Newest):
    """Draws from the first half only."""

    def sample(self, batch_size, env=None):
        return self._get_samples(self.rng.integers(0, self.pos // 2, size=batch_size), env=env)
