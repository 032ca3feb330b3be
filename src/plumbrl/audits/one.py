"""The first of a vector of environments, seen as one that is alone."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, iterate

from plumbrl.errors import UserError


class OneOfMany(gymnasium.Env):
    """Gives all environments of a vector the same action and shows what the first returns.

    Args:
        vector: Its autoreset mode must be declared; an episode's last observation is taken from
            where the mode puts it.

    Raises:
        UserError: The mode is not declared.
    """

    def __init__(self, vector: VectorEnv) -> None:
        self._vector = vector
        self._mode = vector.metadata.get("autoreset_mode")
        if not isinstance(self._mode, AutoresetMode):
            raise UserError(f"autoreset_mode of the vector's metadata is {self._mode}.")
        self.observation_space = vector.single_observation_space
        self.action_space = vector.single_action_space
        self.metadata = vector.metadata
        self.spec = vector.spec
        self._many = batch_space(self.action_space, vector.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all; the seed is that of the first."""
        observation, info = self._vector.reset(seed=seed, options=options)
        return self._first(observation), _row(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step all with the same action."""
        n = self._vector.num_envs
        actions = gymnasium.vector.utils.concatenate(
            self.action_space,
            [action] * n,
            gymnasium.vector.utils.create_empty_array(self.action_space, n),
        )
        observation, rewards, terminated, truncated, info = self._vector.step(actions)
        ended = bool(terminated[0] or truncated[0])
        final = info.get("final_obs") if ended else None
        shown = self._first(observation) if final is None else final[0]
        told = _row(info.get("final_info", info) if final is not None else info)
        return shown, float(rewards[0]), bool(terminated[0]), bool(truncated[0]), told

    def close(self) -> None:
        """Close the vector."""
        self._vector.close()

    def _first(self, observation: Any) -> Any:
        return next(iter(iterate(self._vector.observation_space, observation)))


def _row(info: dict[str, Any]) -> dict[str, Any]:
    """Return what belongs to the first environment."""
    row: dict[str, Any] = {}
    for key, value in info.items():
        if key.startswith("_") or key in ("final_obs", "final_info"):
            continue
        if isinstance(value, dict):
            row[key] = _row(value)
        elif (
            isinstance(value, np.ndarray)
            and value.ndim
            and bool(np.all(info.get(f"_{key}", True)) or info[f"_{key}"][0])
        ):
            row[key] = value[0]
    return row
