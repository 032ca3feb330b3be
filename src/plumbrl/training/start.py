"""Begin a training with the policy of another one."""

from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.errors import UserError
from plumbrl.training.policy import load_policy


def begin_with(model: Any, path: Path) -> None:
    """Give a new model the weights and the observation normaliser of a trained policy.

    Optimiser, counters and the running variance of rewards start anew: another reward may be
    learnt. Learning goes on from the policy's own spread of actions.

    Args:
        model: Just built.
        path: A run folder, or a model in one.

    Raises:
        UserError: The policy does not fit the model.
    """
    trained = load_policy(path)
    try:
        model.policy.load_state_dict(trained.model.policy.state_dict())
    except RuntimeError as error:
        problem = str(error).splitlines()[1:2] or [str(error)]
        raise UserError(
            f"start_from: the policy of {path} is of another shape: {problem[0].strip()}"
        ) from None
    venv = model.get_vec_normalize_env()
    theirs = trained.normalizer is not None and trained.normalizer.observation is not None
    if (venv is not None and venv.norm_obs) != theirs:
        raise UserError(
            f"start_from: only one of {path} and this training normalises observations."
        )
    if venv is None or trained.normalizer is None:
        return
    variance, count = np.array(venv.ret_rms.var), venv.ret_rms.count
    trained.normalizer.restore(venv)
    venv.gamma = model.gamma
    venv.ret_rms.var, venv.ret_rms.count = variance, count
    venv.ret_rms.mean = np.zeros_like(variance)
