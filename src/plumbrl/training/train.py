"""The thin thread: build, train under watch, evaluate, judge, and leave a run folder."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, CheckpointCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from plumbrl.adapters.sb3 import LearningWatch, OnPolicyWatch
from plumbrl.adapters.sb3.settings import settings
from plumbrl.errors import UserError, unknown
from plumbrl.findings import Check, Finding, Report
from plumbrl.metrics.episodes import Evaluation
from plumbrl.oracles import Outcome, check_learning, check_settings, check_update
from plumbrl.runs import RunFolder
from plumbrl.snapshots import Learning, OnPolicyUpdate
from plumbrl.snapshots.settings import Settings
from plumbrl.training.callbacks import EpisodeLog
from plumbrl.training.config import AlgoSection, TrainConfig, algorithm_class
from plumbrl.training.envs import make_sb3, make_vector
from plumbrl.training.evaluate import compare
from plumbrl.training.judge import judge

Array = np.ndarray
CHECKPOINTS = 5
"""Checkpoints per run."""


@dataclass(frozen=True)
class Trained:
    """What a training gives back."""

    folder: Path
    report: Report
    evaluations: list[Evaluation]
    seconds: float
    """Wall time of learning."""


class Verifier:
    """Receives snapshots, applies the oracles, keeps what they say."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.checks: list[Check] = []
        self.findings: list[Finding] = []

    def rollout(self, update: OnPolicyUpdate) -> None:
        """Check a rollout before its first gradient step."""
        self._take(check_update(update))

    def learning(self, learning: Learning) -> None:
        """Check what an update made of its rollout."""
        self._take(check_learning(learning))

    def settings(self, configured: Settings) -> None:
        """Check settings against each other."""
        self._take(check_settings(configured))

    def _take(self, outcomes: list[Outcome]) -> None:
        for check, finding in outcomes:
            self.checks.append(check)
            if finding:
                self.findings.append(finding)
                self._folder.add_finding(finding)


def train(config: TrainConfig, *, progress: BaseCallback | None = None) -> Trained:
    """Train as configured.

    Args:
        config: The training.
        progress: A callback that shows progress, if wanted.

    Returns:
        The run folder, the report, and the evaluations it rests on.

    Raises:
        UserError: The environment or the algorithm refuses its arguments.
        KeyboardInterrupt: Training was interrupted; the model so far is saved.
    """
    torch.set_num_threads(config.torch_threads)
    venv = make_sb3(config.env, config.num_envs, first_env_seed(config))
    venv = _normalized(venv, config)
    model = build_model(config, venv)
    folder = _start_folder(config)
    model.set_logger(configure(str(folder.path), ["csv", "tensorboard"]))
    verifier = Verifier(folder)
    verifier.settings(settings(model, config.total_timesteps))
    callbacks: list[BaseCallback] = [
        OnPolicyWatch(verifier.rollout, updates=1),
        LearningWatch(verifier.learning, updates=1),
        EpisodeLog(),
        _checkpoints(config, folder),
    ]
    if progress:
        callbacks.append(progress)
    begin = time.perf_counter()
    try:
        model.learn(config.total_timesteps, CallbackList(callbacks))
    except KeyboardInterrupt:
        _save(model, folder)
        raise KeyboardInterrupt(f"saved the model to {folder.path}") from None
    seconds = time.perf_counter() - begin
    model.logger.dump(model.num_timesteps)  # SB3 never writes the metrics of the last update
    model.logger.close()
    _save(model, folder)
    evaluations = _evaluate(config, model)
    venv.close()
    report = judge(config, folder.path, verifier.checks, verifier.findings, evaluations)
    _write_results(folder, report, evaluations, model.num_timesteps)
    return Trained(folder.path, report, evaluations, seconds)


def build_model(config: TrainConfig, venv: VecEnv) -> OnPolicyAlgorithm:
    """Return the SB3 model of a training.

    Raises:
        UserError: The algorithm refuses its arguments.
    """
    algo = config.algo
    make = algorithm_class(algo.name)
    if algo.policy not in make.policy_aliases:
        raise unknown("policy", algo.policy, make.policy_aliases)
    arguments = {"device": "cpu", "seed": config.seed} | algo.kwargs
    try:
        return make(algo.policy, venv, policy_kwargs=_policy_arguments(algo), **arguments)
    except (ValueError, TypeError, AssertionError) as error:
        raise UserError(f"algo: {algo.name} says: {' '.join(str(error).split())}") from error


def first_env_seed(config: TrainConfig) -> int:
    """Return the seed of environment 0; environment i has this plus i.

    Drawn from the master seed, so that runs with neighbouring master seeds share no environment,
    and disjoint from the evaluation's seeds.
    """
    last = config.eval.seed + config.eval.episodes
    draws = np.random.SeedSequence(config.seed).generate_state(16) % 2**31
    for seed in draws.tolist():
        if seed >= last or seed + config.num_envs <= config.eval.seed:
            return seed
    raise UserError("eval.seed: no training seeds are left beside the evaluation's.")


def _policy_arguments(algo: AlgoSection) -> dict[str, Any]:
    layers = list(algo.net_arch)
    activations = torch.nn.modules.activation.__all__
    if algo.activation not in activations:
        raise unknown("activation", algo.activation, activations)
    return {
        "net_arch": {"pi": layers, "vf": layers},
        "activation_fn": getattr(torch.nn, algo.activation),
        "log_std_init": algo.log_std_init,
    }


def _start_folder(config: TrainConfig) -> RunFolder:
    env = config.env.id.rpartition(":")[2]
    folder = RunFolder.create(Path(config.out), env, config.algo.name, config.name, config.seed)
    folder.write_config(config.model_dump(mode="json"))
    seeds = {
        "master": config.seed,
        "environments": first_env_seed(config),
        "evaluation": config.eval.seed,
    }
    folder.write_manifest(env=config.env.id, algo=config.algo.name, seeds=seeds)
    return folder


def _normalized(venv: VecEnv, config: TrainConfig) -> VecEnv:
    if not (config.normalize_observation or config.normalize_reward):
        return venv
    gamma = config.algo.kwargs.get("gamma", 0.99)
    spaces = getattr(venv.observation_space, "spaces", None)
    keys = [k for k, s in spaces.items() if s.dtype == np.float32] if spaces else None
    return VecNormalize(
        venv,
        norm_obs=config.normalize_observation,
        norm_reward=config.normalize_reward,
        gamma=gamma,
        norm_obs_keys=keys if config.normalize_observation else None,
    )


def _checkpoints(config: TrainConfig, folder: RunFolder) -> CheckpointCallback:
    every = max(1, config.total_timesteps // config.num_envs // CHECKPOINTS)
    return CheckpointCallback(
        every, str(folder.path / "checkpoints"), name_prefix="model", save_vecnormalize=True
    )


def _save(model: OnPolicyAlgorithm, folder: RunFolder) -> None:
    model.save(folder.path / "model.zip")
    normalizer = model.get_vec_normalize_env()
    if normalizer is not None:
        normalizer.save(str(folder.path / "vecnormalize.pkl"))


def _evaluate(config: TrainConfig, model: OnPolicyAlgorithm) -> list[Evaluation]:
    normalizer = model.get_vec_normalize_env()

    def act(obs: Any) -> Array:
        if normalizer is not None:
            obs = normalizer.normalize_obs(obs)
        return model.predict(obs, deterministic=True)[0]

    seeds = config.eval.seed + np.arange(config.eval.episodes)
    env = make_vector(config.env, config.eval.episodes)
    try:
        return compare(env, {"trained": act}, seeds)
    finally:
        env.close()


def _write_results(
    folder: RunFolder, report: Report, evaluations: list[Evaluation], step: int
) -> None:
    trained = evaluations[0]
    np.savez(
        folder.path / "evaluations.npz",
        timesteps=np.array([step]),
        results=trained.returns[None],
        ep_lengths=trained.lengths[None],
    )
    for evaluation in evaluations:
        folder.append_line("evaluations.jsonl", evaluation.to_dict())
    for finding in report.findings:
        if finding.component == "task":
            folder.add_finding(finding)
    folder.write_report(report)
