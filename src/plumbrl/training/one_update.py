"""One update of a trained policy by its own algorithm, on data it collects itself."""

import inspect
from typing import Any

from plumbrl.adapters.torch_internals import gradients
from plumbrl.errors import UserError
from plumbrl.snapshots.internals import Gradient
from plumbrl.training.algorithms import algorithm_class, build_model
from plumbrl.training.config import OFF_POLICY, TrainConfig
from plumbrl.training.envs import make_training_env
from plumbrl.training.loading import read_zip
from plumbrl.training.policy import TrainedPolicy

ROWS = 1024
"""Transitions that the loss is computed on, about."""
ENVS = 8


def one_update(policy: TrainedPolicy, seed: int) -> dict[str, Gradient]:
    """Return the gradient of every parameter by the first loss of one more update.

    The algorithm collects with the policy in its training environment and computes its own loss;
    the policy that was given stays as it is.

    Args:
        policy: From a run folder.
        seed: Of the environments.

    Raises:
        UserError: The training is not known, or the algorithm does not follow gradients.
    """
    if policy.config is None:
        raise UserError("no gradients: how it was trained is not known without its run folder.")
    if policy.algo == "ARS":
        raise UserError("no gradients: ARS does not follow any.")
    config = _short(policy.config)
    venv, *_ = make_training_env(config, seed)
    try:
        return _updated(policy, config, venv)
    finally:
        venv.close()


def _updated(policy: TrainedPolicy, config: TrainConfig, venv: Any) -> dict[str, Gradient]:
    model = build_model(config, venv)
    model.policy.load_state_dict(policy.model.policy.state_dict())
    _restore_temperature(model, policy)
    normalizer = model.get_vec_normalize_env()
    if normalizer is not None and policy.normalizer is not None:
        policy.normalizer.restore(normalizer)
        normalizer.training = False
    with gradients(model.policy) as found:
        model.learn(ROWS)
    return dict(found)


def _short(config: TrainConfig) -> TrainConfig:
    """Return a training of a single update on a single batch of about `ROWS` transitions."""
    envs = min(config.num_envs, ENVS)
    steps = max(1, ROWS // envs)
    if config.algo.name in OFF_POLICY:
        wanted = {
            "learning_starts": 0, "train_freq": steps, "gradient_steps": 1, "policy_delay": 1,
            "batch_size": ROWS // 2, "buffer_size": 2 * ROWS,
        }  # fmt: skip
    else:
        wanted = {"n_steps": steps, "batch_size": steps * envs, "n_epochs": 1}
    valid = inspect.signature(algorithm_class(config.algo.name)).parameters
    kwargs = config.algo.kwargs | {k: v for k, v in wanted.items() if k in valid}
    return config.model_copy(
        update={
            "algo": config.algo.model_copy(update={"kwargs": kwargs}),
            "env": config.env.model_copy(update={"processes": False}),
            "num_envs": envs,
        }
    )


def _restore_temperature(model: Any, policy: TrainedPolicy) -> None:
    """Give SAC's entropy coefficient its learnt value; the policy's weights do not hold it."""
    learnt = getattr(model, "log_ent_coef", None)
    if learnt is None or policy.path is None:
        return
    saved = read_zip(policy.path).variables.get("log_ent_coef")
    if saved is not None:
        learnt.data.copy_(saved)
