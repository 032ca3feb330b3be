"""Episodes that nobody reports: there is no Monitor, or a wrapper around it ends them."""

from collections import deque
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

KEPT = 100
"""Episodes that are averaged, as many as SB3 does."""


class Episodes:
    """Adds up rewards and steps of each environment until it is done.

    Args:
        env: Of the training; rewards are taken as they were before any normalisation.
        saved: What `state` returned in an earlier part of the training.
    """

    def __init__(self, env: VecEnv, saved: dict[str, Any] | None = None) -> None:
        saved = saved or {
            "returns": [0.0] * env.num_envs,
            "lengths": [0] * env.num_envs,
            "ended": [],
        }
        self._returns, self._lengths = np.array(saved["returns"]), np.array(saved["lengths"])
        self.ended: deque[dict[str, float]] = deque(saved["ended"], KEPT)
        normaliser = unwrap_vec_normalize(env)
        self._original = normaliser.get_original_reward if normaliser else None

    @property
    def state(self) -> dict[str, Any]:
        """What a resumed training needs, plain data."""
        return {
            "returns": self._returns.tolist(),
            "lengths": self._lengths.tolist(),
            "ended": list(self.ended),
        }

    def tell(self, rewards: np.ndarray, dones: np.ndarray) -> None:
        """Take a step of all environments, (B,) each."""
        self._returns += self._original() if self._original else rewards
        self._lengths += 1
        if dones.any():
            for i in np.flatnonzero(dones):
                self.ended.append({"r": float(self._returns[i]), "l": int(self._lengths[i])})
            self._returns[dones], self._lengths[dones] = 0.0, 0
