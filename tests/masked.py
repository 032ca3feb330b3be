"""An environment that allows some of its actions at a time, and ends in an error otherwise."""

import gymnasium
import numpy as np
from gymnasium import spaces


class Masked(gymnasium.Env):
    """One of four actions is right, one is forbidden; both are seen."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = spaces.Box(0, 1, (8,), np.float32)
    action_space = spaces.Discrete(4)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        return self._next(), {}

    def step(self, action):
        if action == self._forbidden:
            raise ValueError("a forbidden action was taken")
        reward = float(action == self._right)
        self._steps += 1
        return self._next(), reward, self._steps == 10, False, {}

    def action_masks(self):
        return np.arange(4) != self._forbidden

    def _next(self):
        self._right, self._forbidden = self.np_random.choice(4, 2, replace=False)
        return np.eye(4, dtype=np.float32)[[self._right, self._forbidden]].ravel()


gymnasium.register("Masked-v0", "masked:Masked")
