"""Build environments by Gymnasium id: the environment's own vector form where it has one."""

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import load_env_creator

from plumbrl.errors import UserError
from plumbrl.training.config import EnvSection, TrainConfig

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from plumbrl.training.stopwatch import TimedVecEnv


def make_vector(env: EnvSection, num: int) -> gymnasium.vector.VectorEnv:
    """Return `num` environments that autoreset within the step (SAME_STEP).

    Raises:
        UserError: The environment does not exist or refuses its arguments.
    """
    kwargs, native = arguments(env), has_native_vector(env.id)
    same_step = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
    try:
        if native:
            return gymnasium.make_vec(env.id, num, "vector_entry_point", **kwargs)
        return gymnasium.make_vec(env.id, num, "sync", vector_kwargs=same_step, **kwargs)
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UserError(f"Environment {env.id}: {_one_line(error)}") from error


def make_single(env: EnvSection, render_mode: str | None = None) -> gymnasium.Env:
    """Return one environment, which draws in the given mode.

    Raises:
        UserError: The environment does not exist or refuses its arguments.
    """
    mode: dict[str, Any] = {"render_mode": render_mode} if render_mode else {}
    try:
        return gymnasium.make(env.id, **arguments(env), **mode)
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UserError(f"Environment {env.id}: {_one_line(error)}") from error


def make_sb3(env: EnvSection, num: int, seed: int) -> "VecEnv":
    """Return `num` environments as an SB3 `VecEnv`, environment i seeded with seed + i.

    A vector environment with a method `to_sb3` is asked for its own view; anything else runs in
    one process, or each in its own if so configured, in SB3's `Monitor`.

    Raises:
        UserError: The environment does not exist or refuses its arguments.
    """
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    if has_native_vector(env.id):
        vector = make_vector(env, num)
        if hasattr(vector.unwrapped, "to_sb3"):
            venv = vector.unwrapped.to_sb3()  # type: ignore[attr-defined]
            venv.seed(seed)
            return venv
    kind = SubprocVecEnv if env.processes and num > 1 else DummyVecEnv
    try:
        if kind is SubprocVecEnv:  # what fails in a process of its own fails with a traceback
            gymnasium.make(env.id, **arguments(env)).close()
        return make_vec_env(env.id, num, seed, env_kwargs=arguments(env), vec_env_cls=kind)
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UserError(f"Environment {env.id}: {_one_line(error)}") from error


def make_training_env(config: TrainConfig, seed: int) -> "tuple[VecEnv, TimedVecEnv, Any]":
    """Return the environments of a training as the model sees them.

    Returns:
        The environments, encoded and normalised as configured; the layer of them that keeps its
        own time; and the frozen image encoder, or None.

    Raises:
        UserError: The environment or the encoder does not exist or does not fit.
    """
    from plumbrl.training.stopwatch import TimedVecEnv

    timed = TimedVecEnv(make_sb3(config.env, config.num_envs, seed))
    venv, encoder = _encoded(timed, config)
    return _normalized(venv, config), timed, encoder


def _encoded(venv: "VecEnv", config: TrainConfig) -> "tuple[VecEnv, Any]":
    if config.encoder.path is None or not config.encoder.frozen:
        return venv, None
    from plumbrl.encoders import EncodedVecEnv, load_encoder

    encoder = load_encoder(config.encoder.path)
    return EncodedVecEnv(venv, encoder), encoder


def _normalized(venv: "VecEnv", config: TrainConfig) -> "VecEnv":
    from stable_baselines3.common.vec_env import VecNormalize

    space = venv.observation_space
    observation = normalizes(config, space)
    if not (observation or config.normalize_reward):
        return venv
    keys = _vectors(space) if isinstance(space, gymnasium.spaces.Dict) else None
    return VecNormalize(
        venv,
        norm_obs=observation,
        norm_reward=config.normalize_reward,
        gamma=config.algo.kwargs.get("gamma", 0.99),
        norm_obs_keys=keys if observation else None,
    )


def normalizes(config: TrainConfig, space: gymnasium.Space) -> bool:
    """Whether a training normalises observations of this space.

    Images are left alone, since a policy scales them itself, and so are whole numbers.
    """
    if isinstance(space, gymnasium.spaces.Dict):
        fits = bool(_vectors(space))
    else:
        fits = isinstance(space, gymnasium.spaces.Box) and len(space.shape) != 3
    return config.normalize_observation and fits


def _vectors(space: gymnasium.spaces.Dict) -> list[str]:
    return [key for key, part in space.spaces.items() if part.dtype == np.float32]


def arguments(env: EnvSection) -> dict[str, Any]:
    """Return what an environment is built with."""
    return dict(env.kwargs) | ({"config": env.config} if env.config else {})


def has_native_vector(env_id: str) -> bool:
    """Whether the id has a vector form of its own that resets within the step (SAME_STEP).

    Others (Gymnasium's own CartPole, say) insert a step whose action is ignored.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            __import__(module)
        entry = gymnasium.spec(name).vector_entry_point
        if entry is None:
            return False
        creator = load_env_creator(entry) if isinstance(entry, str) else entry
        metadata = getattr(creator, "metadata", {})
        return metadata.get("autoreset_mode") is gymnasium.vector.AutoresetMode.SAME_STEP
    except (gymnasium.error.Error, ImportError, ValueError) as error:
        raise UserError(f"Environment {env_id}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
