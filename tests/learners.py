"""Healthy learners on small environments, and what the checks say of their updates."""

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from plumbrl.adapters.sb3 import LearningWatch
from plumbrl.oracles import check_learning

BOX = spaces.Box(-1, 1, (3,))


def healthy(env="CartPole-v1", algo=PPO, policy="MlpPolicy", seed=3, **settings):
    """Return a trainer as Stable-Baselines3 has it."""
    limit = {} if callable(env) else {"max_episode_steps": 12}
    venv = make_vec_env(env, 4, seed=seed, env_kwargs=limit)
    batch = {"batch_size": 50, "n_epochs": 4} if algo is PPO else {}
    rest = {"learning_rate": 3e-3, "ent_coef": 0.02, "seed": seed, "device": "cpu"}
    return algo(policy, venv, n_steps=50, **(batch | rest | settings))


def watched(model, updates=1):
    seen = []
    model.learn(updates * model.n_steps * model.n_envs, LearningWatch(seen.append, updates))
    assert len(seen) == updates
    return seen


def complaints(learning):
    """What is not passed, with its reason."""
    outcomes = check_learning(learning)
    return {check.name: check.reason for check, _ in outcomes if check.verdict != "passed"}


class Spaces(gymnasium.Env):
    """Random observations of any space, three steps to an episode."""

    def __init__(self, observations, actions):
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.t += 1
        return self.observation_space.sample(), float(np.sum(action)), self.t == 3, False, {}


class Constant(Spaces):
    """The same observation and reward for ever."""

    def __init__(self):
        super().__init__(BOX, spaces.Discrete(2))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.full(3, 0.3, np.float32), {}

    def step(self, action):
        return np.full(3, 0.3, np.float32), 1.0, False, False, {}
