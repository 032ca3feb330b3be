"""A trained policy as an audit takes it: from one observation to one action."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import concatenate, create_empty_array

from plumbrl.training.algorithms import MASKABLE
from plumbrl.training.masks import NAME
from plumbrl.training.policy import TrainedPolicy


class Acting:
    """Acts in a single environment.

    Args:
        policy: The policy.
        env: Where it acts.
        deterministic: The most likely action; else a sample.

    Attributes:
        stochastic: The same policy with sampled actions; itself if it samples already.
    """

    def __init__(
        self, policy: TrainedPolicy, env: gymnasium.Env, *, deterministic: bool = True
    ) -> None:
        self._policy, self._env, self._deterministic = policy, env, deterministic
        self._begins = True
        self.stochastic = Acting(policy, env, deterministic=False) if deterministic else self

    def reset(self) -> None:
        """Forget: an episode begins."""
        self._policy.reset()
        self._begins = True

    def __call__(self, observation: Any) -> Any:
        """Return the action for an observation."""
        space = self._env.observation_space
        batch = concatenate(space, [observation], create_empty_array(space, 1))
        own = self._policy.algo == MASKABLE and getattr(self._env.unwrapped, NAME, None)
        masks = np.asarray(own(), dtype=bool)[None] if own else None
        action = self._policy.act(batch, self._deterministic, np.array([self._begins]), masks)[0]
        self._begins = False
        return (
            int(action) if isinstance(self._env.action_space, gymnasium.spaces.Discrete) else action
        )
