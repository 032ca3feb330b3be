"""An environment whose reward stops being a number after a while."""

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv


class BrokenReward(CartPoleEnv):
    """CartPole, but one reward is NaN."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = 0

    def step(self, action):
        self.steps += 1
        observation, reward, *rest = super().step(action)
        return observation, np.nan if self.steps == 300 else reward, *rest


gymnasium.register("BrokenReward-v0", BrokenReward, max_episode_steps=500)
