"""What is known about an SB3 training besides its numbers."""

from typing import Any

import numpy as np
from gymnasium import spaces

from plumbrl.adapters.sb3.settings import settings
from plumbrl.history import Facts
from plumbrl.snapshots.numbers import Bounds


def facts_of(model: Any, total_timesteps: int | None = None, env: str | None = None) -> Facts:
    """Return the facts about a training.

    Args:
        model: An SB3 algorithm.
        total_timesteps: That it is to last, summed over environments.
        env: Id of the environment; asked for if not given.
    """
    known = settings(model, total_timesteps)
    space = model.action_space
    n_steps = getattr(model, "n_steps", None)
    return Facts(
        algo=known.algo,
        env=env or _env_id(model),
        gamma=known.gamma,
        gae_lambda=getattr(model, "gae_lambda", None),
        num_envs=model.n_envs,
        total_timesteps=total_timesteps,
        rollout=n_steps * model.n_envs if isinstance(n_steps, int) else None,
        clip_range=_now(getattr(model, "clip_range", None)),
        target_kl=getattr(model, "target_kl", None),
        max_grad_norm=known.max_grad_norm,
        learning_rate=None if known.learning_rates is None else float(known.learning_rates[0]),
        ent_coef=known.ent_coef,
        target_entropy=_number(getattr(model, "target_entropy", None)),
        buffer_size=getattr(model, "buffer_size", None),
        batch_size=known.batch_size,
        n_epochs=getattr(model, "n_epochs", None),
        actions=count_of(space),
        action_dims=int(np.prod(space.shape)) if isinstance(space, spaces.Box) else None,
        max_episode_steps=_limit(model),
    )


def bounds_of(space: Any) -> Bounds | None:
    """Return the bounds of a continuous action, flattened; None for other spaces."""
    if not isinstance(space, spaces.Box):
        return None
    return Bounds(space.low.astype(np.float64).ravel(), space.high.astype(np.float64).ravel())


def count_of(space: Any) -> int | None:
    """Return the number of discrete actions; None for other spaces."""
    return int(space.n) if isinstance(space, spaces.Discrete) else None


def _now(schedule: Any) -> float | None:
    now: Any = schedule(1.0) if callable(schedule) else schedule
    return _number(now)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float | np.floating) else None


def _env_id(model: Any) -> str | None:
    spec = _spec(model)
    return None if spec is None else spec.id


def _limit(model: Any) -> int | None:
    spec = _spec(model)
    return None if spec is None else spec.max_episode_steps


def _spec(model: Any) -> Any:
    """Somebody else's environment may have none, or refuse to be asked."""
    try:
        return model.get_env().get_attr("spec")[0]
    except Exception:
        return None
