"""A point that is pushed to a goal, healthy or with one fault."""

import gymnasium
import numpy as np
from gymnasium import spaces

LIMIT = 60


class Reach(gymnasium.Env):
    """Reward is minus the distance, and 5 at the goal, which ends the episode.

    Attributes:
        sign: -1 turns the distance's part of the reward round.
        turn: -1 turns the actions round.
        dead: Whether the second number of the observation is never filled in.
        inert: Whether the second number of the action goes nowhere.
        charge: What the reward is charged for the second number of the action.
    """

    observation_space = spaces.Box(-4, 4, (4,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, *, sign=1.0, turn=1.0, dead=False, inert=False, charge=0.0):
        self.sign, self.turn, self.dead, self.inert = sign, turn, dead, inert
        self.charge = charge

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.goal = self.np_random.uniform(-1, 1, (2, 2))
        self.steps = 0
        return self.seen(), {}

    def seen(self):
        row = np.concatenate([self.place, self.goal]).astype(np.float32)
        row[1] *= not self.dead
        return row

    def step(self, action):
        push = np.array(action, dtype=float) * self.turn
        push[1] *= not self.inert
        self.place = np.clip(self.place + 0.1 * push, -4, 4)
        self.steps += 1
        distance = float(np.linalg.norm(self.place - self.goal))
        there = distance < 0.1
        reward = -self.sign * distance + 5 * there - self.charge * float(action[1])
        over = self.steps >= LIMIT and not there
        return self.seen(), reward, there, over, {"distance": distance}


def straight(observation):
    """Push straight to the goal."""
    return np.clip((observation[2:] - observation[:2]) * 10, -1, 1)
