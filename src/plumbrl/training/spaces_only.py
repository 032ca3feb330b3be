"""The spaces of an environment, to build a model on that is only asked to act."""

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from plumbrl.errors import UserError
from plumbrl.training.config import EnvSection
from plumbrl.training.envs import make_vector

Array = np.ndarray


def spaces_of(env: EnvSection, num_envs: int, encoder: Any) -> VecEnv:
    """Return the spaces of an environment as a model sees them.

    Args:
        env: The environment.
        num_envs: As many as the model was made for.
        encoder: Frozen image encoder, or None.
    """
    vector = make_vector(env, 1)
    try:
        observation, action = vector.single_observation_space, vector.single_action_space
    finally:
        vector.close()
    venv: VecEnv = SpacesOnly(num_envs, observation, action)
    if encoder is not None:
        from plumbrl.encoders import EncodedVecEnv

        venv = EncodedVecEnv(venv, encoder)
    return venv


class SpacesOnly(VecEnv):
    """The spaces of an environment, to build a model on that is only asked to act."""

    def reset(self) -> Any:
        """Refuse."""
        raise UserError("This model was loaded to act; it has no environment to train in.")

    def step_async(self, actions: Array) -> None:
        """Refuse."""
        self.reset()

    def step_wait(self) -> Any:
        """Refuse."""
        self.reset()

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return None for every environment."""
        return [None for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse."""
        self.reset()

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Refuse."""
        self.reset()

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Nothing is wrapped."""
        return [False for _ in self._get_indices(indices)]
