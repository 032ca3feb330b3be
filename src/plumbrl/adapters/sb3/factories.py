"""Ready trainers for the probes: SB3's algorithms with settings that learn tiny problems fast."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise

from plumbrl.adapters.sb3.vec_env import VectorToSb3
from plumbrl.errors import unknown

HIDDEN = [32, 32]
ON_POLICY = {"learning_rate": 5e-3, "ent_coef": 0.0}
OFF_POLICY = {
    "learning_rate": 5e-3, "buffer_size": 2000, "learning_starts": 64, "batch_size": 64,
    "train_freq": 1, "gradient_steps": 1,
}  # fmt: skip
LESS_NOISE = {"log_std_init": -0.5}
"""A single small step per rollout moves a mean four times as fast as with SB3's noise."""
SETTINGS: dict[str, dict[str, Any]] = {
    "PPO": ON_POLICY | {"n_steps": 16, "batch_size": 64, "n_epochs": 6},
    "A2C": ON_POLICY | {"n_steps": 8, "use_rms_prop": False} | {"policy_kwargs": LESS_NOISE},
    "TRPO": {"n_steps": 32, "batch_size": 64, "learning_rate": 5e-3, "target_kl": 0.05},
    "DQN": OFF_POLICY | {"target_update_interval": 32, "exploration_final_eps": 0.2},
    "QRDQN": OFF_POLICY | {"target_update_interval": 32, "exploration_final_eps": 0.2},
    "SAC": OFF_POLICY | {"tau": 0.05, "ent_coef": 0.2},
    "TQC": OFF_POLICY | {"tau": 0.05, "ent_coef": 0.2},
    "TD3": OFF_POLICY | {"tau": 0.05},
    "DDPG": OFF_POLICY | {"tau": 0.05},
}  # fmt: skip
HOMES = {"TRPO": "sb3_contrib", "QRDQN": "sb3_contrib", "TQC": "sb3_contrib"}


def ready(name: str) -> Callable[..., BaseAlgorithm]:
    """Return `make_trainer` for an SB3 algorithm by name.

    Raises:
        UserError: There is none of that name.
    """
    if name not in SETTINGS:
        raise unknown("algorithm", name, SETTINGS)
    return of_class(getattr(import_module(HOMES.get(name, "stable_baselines3")), name), name)


def of_class(algorithm: type[BaseAlgorithm], like: str | None = None) -> Callable[..., Any]:
    """Return `make_trainer` for an SB3 class, with the settings of the algorithm it derives from.

    Args:
        algorithm: The class.
        like: Algorithm whose settings to use; found among its base classes if not given.
    """
    names = [base.__name__ for base in algorithm.__mro__]
    like = like or next((name for name in names if name in SETTINGS), None)
    if like is None:
        raise unknown("algorithm", algorithm.__name__, SETTINGS)

    def make_trainer(
        envs: gymnasium.vector.VectorEnv, seed: int, gamma: float, **changes: Any
    ) -> BaseAlgorithm:
        torch.set_num_threads(1)
        space = envs.single_observation_space
        settings = SETTINGS[like] | {"gamma": gamma, "seed": seed, "device": "cpu"} | changes
        noise = _noise(like, envs.single_action_space)
        network = _network(space) | settings.pop("policy_kwargs", {})
        venv = VectorToSb3(envs)
        return algorithm(_policy(space), venv, policy_kwargs=network, **settings, **noise)

    make_trainer.num_envs = 8 if like in ("PPO", "A2C", "TRPO") else 4  # type: ignore[attr-defined]
    return make_trainer


def _policy(space: spaces.Space) -> str:
    if isinstance(space, spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if len(space.shape or ()) == 3 else "MlpPolicy"


def _network(space: spaces.Space) -> dict[str, Any]:
    return {"net_arch": HIDDEN} if len(space.shape or ()) != 3 else {"net_arch": []}


def _noise(like: str, space: spaces.Space) -> dict[str, Any]:
    """Deterministic policies explore by noise on their actions, in units of half the range."""
    if like not in ("TD3", "DDPG"):
        return {}
    dims = int(np.prod(space.shape or (1,)))
    return {"action_noise": NormalActionNoise(np.zeros(dims), np.full(dims, 0.3))}
