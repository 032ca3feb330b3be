"""Potential-based reward shaping that keeps the optimal policy (Ng, Harada and Russell 1999).

F = gamma phi(s') - phi(s) is added to every reward. Over an episode the terms telescope, so that
the return changes by -phi(s_0) whatever the policy does. That needs three things: phi is 0 after a
terminal state, the discount factor is the trainer's, and at a truncation phi is that of the
episode's own last observation, because its value is bootstrapped there.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from plumbrl.metrics.returns import td_targets

Array = np.ndarray


def shaping_rewards(
    potentials: Array, final_potentials: Array, terminated: Array, truncated: Array, gamma: float
) -> Array:
    """Return what shaping adds to each reward, (T, B).

    Args:
        potentials: phi of the observation at each step and, last, of the one after the last step,
            (T + 1, B).
        final_potentials: phi of the last observation of an episode truncated at step t; read
            nowhere else, (T, B).
        terminated: Whether step t reached a terminal state; wins over `truncated`, (T, B).
        truncated: Whether step t was the last before a limit, (T, B).
        gamma: Discount factor of the trainer, in [0, 1].

    Raises:
        ValueError: Shapes differ.
    """
    now, last = potentials[:-1], potentials[-1]
    nothing = np.zeros(now.shape)
    return td_targets(nothing, now, terminated, truncated, final_potentials, last, gamma) - now


def shaped(
    rewards: Array, potentials: Array, final_potentials: Array, terminated: Array,
    truncated: Array, gamma: float,
) -> Array:  # fmt: skip
    """Return rewards with shaping, (T, B).

    Args:
        rewards: As the environment gave them, (T, B).
        potentials: As for `shaping_rewards`, like the four after it, (T + 1, B).
        final_potentials: (T, B).
        terminated: (T, B).
        truncated: (T, B).
        gamma: Discount factor of the trainer, in [0, 1].

    Raises:
        ValueError: Shapes differ.
    """
    extra = shaping_rewards(potentials, final_potentials, terminated, truncated, gamma)
    if rewards.shape != extra.shape:
        raise ValueError(f"rewards must be {extra.shape}; got {rewards.shape}")
    return rewards + extra


class PotentialShaping(gymnasium.Wrapper):
    """Adds shaping to every reward; info holds ``reward_unshaped`` and ``reward_shaping``.

    A potential that changes while it is used keeps the optimum too, because each state is counted
    with the potential it was met with (Devlin and Kudenko 2012).

    Where potentials are negative, as with minus a distance, a step that changes nothing pays
    (1 - gamma) |phi|. That is no mistake: the value function takes it back.

    Args:
        env: Environment to wrap; time limits belong inside, or truncation is not seen.
        potential: phi of an observation; a finite number.
        gamma: Discount factor of the trainer, in [0, 1].

    Raises:
        ValueError: `gamma` is outside [0, 1].
    """

    def __init__(self, env: gymnasium.Env, potential: Callable[[Any], float], gamma: float) -> None:
        if not 0 <= gamma <= 1:
            raise ValueError(f"gamma must be in [0, 1]; got {gamma}")
        super().__init__(env)
        self.potential, self.gamma = potential, gamma
        self._phi = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; what it begins with is worth its potential."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._phi = float(self.potential(observation))
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step and add the shaping reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        phi = 0.0 if terminated else float(self.potential(observation))
        extra, self._phi = self.gamma * phi - self._phi, phi
        info = info | {"reward_unshaped": float(reward), "reward_shaping": extra}
        return observation, float(reward) + extra, terminated, truncated, info
