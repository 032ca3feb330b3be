"""What an SB3 algorithm is configured with; only read, nothing of the model is changed."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecNormalize,
    unwrap_vec_normalize,
)

from plumbrl.snapshots.settings import NO_NORMALISER, Normaliser, Settings

Env = VecEnv | gymnasium.Env
POINTS = 101
"""Of the learning-rate schedule: one per cent of the training each."""
T = TypeVar("T")


def settings(
    model: BaseAlgorithm, total_timesteps: int | None = None, eval_env: Env | None = None
) -> Settings:
    """Return the settings of an SB3 algorithm, before or during training.

    The learning-rate schedule is called, so it must depend on its argument only, as SB3 asks.

    Args:
        model: PPO, A2C, SAC, TD3, DQN or one built on them.
        total_timesteps: Budget that will be given to ``learn``; None if unknown.
        eval_env: Environment that the policy is evaluated in; None if there is none.
    """
    return Settings(
        algo=type(model).__name__,
        gamma=_number(model, "gamma"),
        num_envs=model.n_envs,
        learning_rates=_learning_rates(model),
        batch_size=_whole(model, "batch_size"),
        ent_coef=_number(model, "ent_coef"),
        max_grad_norm=clip_norm(model),
        normaliser=_normaliser(model.env),
        eval_normaliser=_normaliser(eval_env),
        seeds=_train_seeds(model),
        eval_seeds=_seeds(eval_env),
        total_timesteps=total_timesteps,
        episode_length=_episode_length(model),
        **_of_family(model),
    )


def clip_norm(model: Any) -> float | None:
    """Return the norm to which gradients are clipped; None if they are not.

    TRPO, known by its conjugate gradients, has a norm of 0 that it does not use.
    """
    return None if hasattr(model, "cg_max_steps") else _number(model, "max_grad_norm")


def _of_family(model: BaseAlgorithm) -> dict[str, Any]:
    if isinstance(model, OnPolicyAlgorithm):
        return {
            "n_steps": model.n_steps,
            "n_epochs": _whole(model, "n_epochs"),
            "gae_lambda": model.gae_lambda,
            "clip_range": _at_start(getattr(model, "clip_range", None)),
        }
    return _off_policy(model) if isinstance(model, OffPolicyAlgorithm) else {}


def _at_start(schedule: Any) -> Any:
    return schedule(1.0) if callable(schedule) else schedule


def _off_policy(model: OffPolicyAlgorithm) -> dict[str, Any]:
    ratio = _updates_per_step(model)
    found = {
        "buffer_size": model.buffer_size,
        "learning_starts": model.learning_starts,
        "updates_per_step": ratio,
        "tau": model.tau,
        "target_interval": _target_interval(model, ratio),
    }
    if isinstance(model, SAC) and model.ent_coef_optimizer is not None:
        found["target_entropy"] = _number(model, "target_entropy")
    if _like_dqn(model):
        found["epsilon_start"] = _number(model, "exploration_initial_eps")
        found["epsilon_end"] = _number(model, "exploration_final_eps")
        found["epsilon_fraction"] = _number(model, "exploration_fraction")
    if isinstance(model.action_space, spaces.Box):
        found["action_dimension"] = int(np.prod(model.action_space.shape))
    return found


def _updates_per_step(model: OffPolicyAlgorithm) -> float | None:
    """As many gradient steps as timesteps if -1; unknown if training follows whole episodes."""
    if model.gradient_steps < 0:
        return 1.0
    steps = _steps_per_collection(model)
    return None if steps is None else model.gradient_steps / steps


def _steps_per_collection(model: OffPolicyAlgorithm) -> int | None:
    """Timesteps summed over environments; a bare number is converted when training starts."""
    frequency: Any = model.train_freq
    if isinstance(frequency, int):
        frequency = TrainFreq(frequency, TrainFrequencyUnit.STEP)
    count, unit = frequency
    if TrainFrequencyUnit(unit) is TrainFrequencyUnit.EPISODE:
        return None
    return count * model.n_envs


def _target_interval(model: OffPolicyAlgorithm, ratio: float | None) -> float | None:
    """Gradient steps between target updates: DQN counts timesteps, the others gradient steps."""
    if isinstance(model, TD3):
        return float(model.policy_delay)
    interval = _number(model, "target_update_interval")
    if interval is None or not _like_dqn(model):
        # SAC counts anew in every call of `train`, and the first of each updates
        at_most = model.gradient_steps if model.gradient_steps > 0 else interval
        return interval if interval is None else min(interval, at_most or interval)
    steps = _steps_per_collection(model)
    return None if ratio is None or steps is None else max(interval, steps) * ratio


def _like_dqn(model: OffPolicyAlgorithm) -> bool:
    """QR-DQN is no subclass; both explore by epsilon and count calls of `env.step`."""
    return hasattr(model, "exploration_initial_eps")


def _learning_rates(model: BaseAlgorithm) -> np.ndarray | None:
    """Ask the schedule at equally spaced points; SB3 gives it the share that remains."""
    return _try(lambda: np.array([float(model.lr_schedule(x)) for x in np.linspace(1, 0, POINTS)]))


def _normaliser(env: Any) -> Normaliser | None:
    """An environment that is known and has no `VecNormalize` scales nothing that we can see."""
    if env is None:
        return None
    found = unwrap_vec_normalize(env) if isinstance(env, VecEnv) else None
    if not isinstance(found, VecNormalize):
        return NO_NORMALISER
    return Normaliser(found.norm_obs, found.norm_reward, found.training, found.gamma)


def _train_seeds(model: BaseAlgorithm) -> tuple[int, ...] | None:
    if model.seed is not None:
        return tuple(model.seed + i for i in range(model.n_envs))
    return _seeds(model.env)


def _seeds(env: Env | None) -> tuple[int, ...] | None:
    """Seeds that wait for the next reset, or those of the last one in the same process."""
    if isinstance(env, VecEnv):
        waiting = getattr(env.unwrapped, "_seeds", [])
        envs = env.unwrapped.envs if isinstance(env.unwrapped, DummyVecEnv) else []
        return _all_known(waiting) or _all_known([_last_seed(one) for one in envs])
    return None if env is None else _all_known([_last_seed(env)])


def _last_seed(env: gymnasium.Env) -> int | None:
    """The public property would seed an environment that never was; -1 stands for unknown."""
    seed = getattr(env.unwrapped, "_np_random_seed", None)
    return None if seed is None or seed < 0 else seed


def _all_known(seeds: list[int | None]) -> tuple[int, ...] | None:
    known = tuple(int(seed) for seed in seeds if seed is not None)
    return known if known and len(known) == len(seeds) else None


def _episode_length(model: BaseAlgorithm) -> float | None:
    """Mean of the last episodes, or the time limit before there are any."""
    if model.ep_info_buffer:
        return float(np.mean([info["l"] for info in model.ep_info_buffer]))
    env = model.env
    return None if env is None else _try(lambda: env.get_attr("spec")[0].max_episode_steps)


def _number(model: BaseAlgorithm, name: str) -> float | None:
    value = getattr(model, name, None)
    return float(value) if isinstance(value, Real) else None


def _whole(model: BaseAlgorithm, name: str) -> int | None:
    value = getattr(model, name, None)
    return int(value) if isinstance(value, Integral) else None


def _try(read: Callable[[], T]) -> T | None:
    """Somebody else's schedule or environment may refuse to be asked: then it is unknown."""
    try:
        return read()
    except Exception:
        return None
