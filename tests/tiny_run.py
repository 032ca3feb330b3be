"""A run folder of a short training, made of the real parts, and a small environment for it."""

import json
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium import spaces

from plumbrl.runs import RunFolder
from plumbrl.training.algorithms import build_model
from plumbrl.training.config_file import config_of
from plumbrl.training.envs import make_training_env
from plumbrl.training.saving import save_model


class Sensors(gymnasium.Env):
    """A dictionary of a vector to normalise and an image to leave alone."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (1, 36, 36), np.uint8),
            "joints": spaces.Box(-np.inf, np.inf, (3,), np.float32),
        }
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observation(), {}

    def step(self, action):
        return self._observation(), float(self.np_random.normal(3, 2)), False, False, {}

    def _observation(self):
        return {
            "camera": self.np_random.integers(0, 256, (1, 36, 36), dtype=np.uint8),
            "joints": self.np_random.normal([5, 0, -2], [1, 10, 0.1]).astype(np.float32),
        }


PPO = {"n_steps": 32, "batch_size": 64, "n_epochs": 2}


def tiny_run(root, env="Pendulum-v1", algo="PPO", steps=256, num_envs=4, kwargs=None, **settings):
    """Train for a moment; return the run folder."""
    data = {
        "env": env if isinstance(env, dict) else {"id": env},
        "num_envs": num_envs,
        "total_timesteps": steps,
        "algo": {"name": algo, "net_arch": [16, 16], "kwargs": PPO if kwargs is None else kwargs},
        "eval": {"episodes": 4},
        "seed": 3,
    } | settings
    config = config_of(data, Path(), None, "test")
    venv, *_ = make_training_env(config, 5000)
    model = build_model(config, venv)
    folder = RunFolder.create(root, "env", algo, "tiny", 3)
    folder.write_config(config.model_dump(mode="json"))
    folder.write_manifest(env=config.env.id, algo=algo, seeds={"environments": 5000})
    if steps:
        model.learn(steps)
    save_model(model, folder.path / "model.zip")
    venv.close()
    return folder.path


def seeds_of(folder):
    return json.loads((folder / "manifest.json").read_text())["seeds"]
