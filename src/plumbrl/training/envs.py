"""Build environments by Gymnasium id: the environment's own vector form where it has one."""

from typing import TYPE_CHECKING, Any

import gymnasium
from gymnasium.envs.registration import load_env_creator

from plumbrl.errors import UserError
from plumbrl.training.config import EnvSection

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv


def make_vector(env: EnvSection, num: int) -> gymnasium.vector.VectorEnv:
    """Return `num` environments that autoreset within the step (SAME_STEP).

    Raises:
        UserError: The environment does not exist or refuses its arguments.
    """
    kwargs = _arguments(env)
    same_step = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
    try:
        if _has_native_vector(env.id):
            return gymnasium.make_vec(env.id, num, "vector_entry_point", **kwargs)
        return gymnasium.make_vec(env.id, num, "sync", vector_kwargs=same_step, **kwargs)
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UserError(f"Environment {env.id}: {_one_line(error)}") from error


def make_sb3(env: EnvSection, num: int, seed: int) -> "VecEnv":
    """Return `num` environments as an SB3 `VecEnv`, environment i seeded with seed + i.

    A vector environment with a method `to_sb3` is asked for its own view; anything else runs in
    one process, each environment in SB3's `Monitor`.

    Raises:
        UserError: The environment does not exist or refuses its arguments.
    """
    from stable_baselines3.common.env_util import make_vec_env

    if _has_native_vector(env.id):
        vector = make_vector(env, num)
        if hasattr(vector.unwrapped, "to_sb3"):
            venv = vector.unwrapped.to_sb3()  # type: ignore[attr-defined]
            venv.seed(seed)
            return venv
    try:
        return make_vec_env(env.id, num, seed, env_kwargs=_arguments(env))
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UserError(f"Environment {env.id}: {_one_line(error)}") from error


def _arguments(env: EnvSection) -> dict[str, Any]:
    return dict(env.kwargs) | ({"config": env.config} if env.config else {})


def _has_native_vector(env_id: str) -> bool:
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
