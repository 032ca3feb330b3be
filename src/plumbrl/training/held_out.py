"""Seeds that a training never sees, and the policy's episodes on them while it trains."""

from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from plumbrl.errors import UserError
from plumbrl.metrics.episodes import Evaluation
from plumbrl.training.config import TrainConfig
from plumbrl.training.envs import make_vector
from plumbrl.training.evaluate import evaluate
from plumbrl.training.normalizer import Normalizer
from plumbrl.training.policy import TrainedPolicy

Array = np.ndarray


def final_seeds(config: TrainConfig) -> Array:
    """Return the seeds that judge the finished policy, (episodes,)."""
    return config.eval.seed + np.arange(config.eval.episodes)


def milestone_seeds(config: TrainConfig) -> Array:
    """Return the seeds that choose the best model: others, or choosing would flatter it."""
    return final_seeds(config) + config.eval.episodes


def first_env_seed(config: TrainConfig) -> int:
    """Return the seed of environment 0; environment i has this plus i.

    Drawn from the master seed, so that runs with neighbouring master seeds share no environment,
    and disjoint from the evaluation's seeds.
    """
    last = config.eval.seed + 2 * config.eval.episodes
    draws = np.random.SeedSequence(config.seed).generate_state(16) % 2**31
    for seed in draws.tolist():
        if seed >= last or seed + config.num_envs <= config.eval.seed:
            return seed
    raise UserError("eval.seed: no training seeds are left beside the evaluation's.")


class HeldOut:
    """Runs a model, as it is in the middle of its training, on the seeds of the milestones.

    It draws no random number that the training would have drawn.

    Args:
        config: The training.
        model: Being trained.
        encoder: Frozen image encoder, or None.

    Raises:
        UserError: The environment refuses what is different in evaluation.
    """

    def __init__(self, config: TrainConfig, model: BaseAlgorithm, encoder: Any) -> None:
        self._config, self._model, self._encoder = config, model, encoder
        self._env: Any = None
        if config.eval.env:
            make_vector(config.eval_env, 1).close()  # what is wrong is said before training

    def evaluate(self) -> Evaluation:
        """Return one deterministic episode per seed."""
        config, venv = self._config, self._model.get_vec_normalize_env()
        if self._env is None:
            self._env = make_vector(config.eval_env, config.eval.episodes)
        normalizer = Normalizer.of(venv) if venv is not None else None
        acting = TrainedPolicy(
            self._model, normalizer, self._encoder, config.env, config, config.algo.name,
            path=Path(), folder=None, timesteps=self._model.num_timesteps,
        )  # fmt: skip
        training = self._model.policy.training
        act = acting.acting_in(self._env)
        evaluation = evaluate("trained", self._env, act, milestone_seeds(config))
        self._model.policy.set_training_mode(training)
        return evaluation

    def close(self) -> None:
        """Release the environments."""
        if self._env is not None:
            self._env.close()
            self._env = None
