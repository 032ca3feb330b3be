"""What a classical controller does in the environments of a training, and what that is worth."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from plumbrl.errors import UserError, unknown
from plumbrl.training.config import ImitateSection

Array = np.ndarray
Observations = dict[str, Array]
HORIZONS = 3
"""The end of a demonstration is cut off for values: what would have followed is not known."""


@dataclass(frozen=True)
class Shown:
    """A demonstration of T steps in B environments.

    Attributes:
        observations: Of each part by name, (T, B, ...), as the environment gave them.
        actions: The controller's, without noise, (T, B, D).
        rewards: (T, B).
        terminated: Whether an episode ended for good in the step, (T, B).
        truncated: Whether it was cut off, (T, B).
    """

    observations: Observations
    actions: Array
    rewards: Array
    terminated: Array
    truncated: Array


def controller(venv: Any, name: str) -> Any:
    """Return one of the environment's own controllers, a function that gives actions (B, D).

    Raises:
        UserError: The environment has none of that name.
    """
    base = venv
    while hasattr(base, "venv"):
        base = base.venv
    vector = getattr(base, "env", getattr(base, "envs", None))
    own = getattr(getattr(vector, "unwrapped", None), "baselines", None)
    if own is None:
        raise UserError(
            "imitate: this environment has no controllers to imitate (its vector form would have a"
            " method `baselines`)."
        )
    known = own()
    if name not in known:
        raise unknown("controller", name, known)
    return known[name]


def show(venv: Any, section: ImitateSection, rng: np.random.Generator) -> Shown:
    """Let a controller act, with noise on its actions so that it shows how to recover.

    Args:
        venv: Environments of a training, as its model sees them; normalisers take in what is shown.
        section: Which controller, and how long.
        rng: Of the noise.
    """
    act = controller(venv, section.controller or "")
    restart = getattr(getattr(act, "__self__", None), "reset", lambda which: None)
    seen, actions, rewards, ends = [], [], [], []
    low, high = venv.action_space.low, venv.action_space.high
    current = venv.reset()
    for _ in range(-(-section.timesteps // venv.num_envs)):
        meant = np.asarray(act(), dtype=np.float32)
        seen.append(_plain(venv, "get_original_obs", current))
        noisy = np.clip(meant + section.noise * rng.normal(size=meant.shape), low, high)
        current, reward, done, infos = venv.step(noisy.astype(np.float32))
        actions.append(meant)
        rewards.append(_plain(venv, "get_original_reward", reward)[""])
        cut = [bool(info.get("TimeLimit.truncated")) for info in infos]
        ends.append((done & ~np.array(cut), done & cut))
        if done.any():
            restart(np.flatnonzero(done))
    observations = {key: np.stack([part[key] for part in seen]) for key in seen[0]}
    terminated, truncated = np.stack(ends, axis=1)
    return Shown(observations, np.stack(actions), np.stack(rewards), terminated, truncated)


def _plain(venv: Any, original: str, given: Any) -> Observations:
    """Return a copy, by name, of what an environment gave before it was normalised."""
    value = getattr(venv, original)() if hasattr(venv, original) else given
    parts = value if isinstance(value, dict) else {"": value}
    return {key: np.array(part) for key, part in parts.items()}


def returns_of(
    rewards: Array, terminated: Array, truncated: Array, gamma: float
) -> tuple[Array, Array]:
    """Return discounted rewards to come, (T, B), and where they are known well enough, (T, B).

    Nothing is known beyond a truncation or the end of the demonstration. What is missing hardly
    counts three horizons of 1/(1-gamma) before it, or, where all are shorter than twice that, in
    the first half of the longest.

    Args:
        rewards: (T, B).
        terminated: Whether nothing follows a step, (T, B).
        truncated: Whether what follows is not seen, (T, B).
        gamma: Discount factor.
    """
    total, left = np.zeros(rewards.shape), np.zeros(rewards.shape)
    following, ahead = np.zeros(rewards.shape[1]), np.zeros(rewards.shape[1])
    for t in range(len(rewards) - 1, -1, -1):
        over = terminated[t] | truncated[t]
        following = rewards[t] + gamma * np.where(over, 0.0, following)
        ahead = np.where(terminated[t], np.inf, np.where(truncated[t], 0.0, ahead)) + 1
        total[t], left[t] = following, ahead
    unseen = left[np.isfinite(left)]
    enough = min(HORIZONS / max(1 - gamma, 1e-6), unseen.max(initial=0) / 2)
    return total, left >= enough
