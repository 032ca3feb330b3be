"""Run a trained policy and write down every step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from plumbrl.adapters.sb3.outputs import values_of
from plumbrl.snapshots.recording import Recording, Recordings
from plumbrl.training.algorithms import MASKABLE
from plumbrl.training.envs import make_vector
from plumbrl.training.masks import masks_of
from plumbrl.training.policy import TrainedPolicy

Array = np.ndarray
DRAWS = 400
"""Actions drawn at one moment."""
FIXED = ("TD3", "DDPG", "ARS")
"""Algorithms whose policy has no distribution to draw from."""


def record(policy: TrainedPolicy, seeds: Array, *, num_envs: int = 16) -> Recordings:
    """Run one episode per seed, deterministic and (if the policy can) stochastic.

    Args:
        policy: The policy; its random streams are seeded.
        seeds: (n,).
        num_envs: Episodes side by side, at most.
    """
    env = make_vector(policy.env, min(num_envs, len(seeds)))
    try:
        sure = _episodes(policy, env, seeds, True)
        drawn = [] if policy.algo in FIXED else _episodes(policy, env, seeds, False)
        samples, at = _draws(policy, env, int(seeds[0]), sure[0])
        low, high, discrete = bounds(env.single_action_space)
        names = names_of(policy.model.observation_space)
    finally:
        env.close()
    return Recordings(tuple(sure), tuple(drawn), low, high, discrete, names, samples, at)


def bounds(space: spaces.Space) -> tuple[Array, Array, bool]:
    """Return least and largest action, (A,) each, and whether actions are whole numbers."""
    if isinstance(space, spaces.Box):
        return space.low.ravel().astype(float), space.high.ravel().astype(float), False
    if isinstance(space, spaces.Discrete):
        return np.array([space.start], float), np.array([space.start + space.n - 1.0]), True
    if isinstance(space, spaces.MultiDiscrete):
        return np.zeros(space.nvec.size), space.nvec.ravel() - 1.0, True
    size = int(np.prod(space.shape or (1,)))
    return np.zeros(size), np.ones(size), True


def names_of(space: spaces.Space) -> tuple[str, ...]:
    """Return names of the numbers in an observation as `flat` lays them out."""
    parts = space.spaces if isinstance(space, spaces.Dict) else {"obs": space}
    sizes = {k: int(np.prod(p.shape or (1,))) for k, p in parts.items() if not _is_image(p.shape)}
    return tuple(f"{k}[{i}]" if n > 1 else k for k, n in sizes.items() for i in range(n))


def flat(obs: Any, space: spaces.Space) -> Array:
    """Return observations without their images as vectors, (N, D)."""
    parts = space.spaces if isinstance(space, spaces.Dict) else {"obs": space}
    obs = obs if isinstance(space, spaces.Dict) else {"obs": obs}
    rows = len(next(iter(obs.values())))
    kept = [np.reshape(obs[k], (rows, -1)) for k, p in parts.items() if not _is_image(p.shape)]
    return np.concatenate([np.empty((rows, 0)), *kept], axis=1)


def _is_image(shape: Any) -> bool:
    return len(shape or ()) == 3


@dataclass
class _Running:
    """An episode while it goes on."""

    seed: int
    rows: list[tuple[Array, Array, float, float]] = field(default_factory=list)
    terms: list[dict[str, float]] = field(default_factory=list)

    def ended(self, cause: str, terminated: bool, policy: TrainedPolicy) -> Recording:
        observations, actions, rewards, values = (
            np.array(part, dtype=np.float64) for part in zip(*self.rows, strict=True)
        )
        names = set.intersection(*(set(terms) for terms in self.terms))
        terms = {name: np.array([t[name] for t in self.terms]) for name in sorted(names)}
        returns = _returns(policy, rewards, values, terminated)
        return Recording(
            self.seed, observations, actions, rewards, values, returns, terms, cause, terminated
        )


def _episodes(
    policy: TrainedPolicy, env: VectorEnv, seeds: Array, deterministic: bool
) -> list[Recording]:
    policy.seed(int(seeds[0]) % 2**32)
    found: list[Recording] = []
    for start in range(0, len(seeds), env.num_envs):
        found += _chunk(policy, env, seeds[start : start + env.num_envs].tolist(), deterministic)
    return found


def _chunk(
    policy: TrainedPolicy, env: VectorEnv, seeds: Sequence[int], deterministic: bool
) -> list[Recording]:
    padded: Any = [*seeds, *[seeds[-1]] * (env.num_envs - len(seeds))]
    obs, _ = env.reset(seed=padded)
    policy.reset()
    act = policy.acting_in(env, deterministic)
    running = {i: _Running(seed) for i, seed in enumerate(seeds)}
    done: dict[int, Recording] = {}
    while running:
        seen = policy.prepared(obs)
        vectors = flat(seen, policy.model.observation_space)
        actions = act(obs)
        values = values_of(policy.model, seen, actions)
        obs, rewards, terminated, truncated, info = env.step(actions)
        for i in list(running):
            row = (vectors[i], np.ravel(actions[i]), float(rewards[i]), float(values[i]))
            running[i].rows.append(row)
            ended = bool(terminated[i] or truncated[i])
            running[i].terms.append(_terms(info.get("final_info", {}) if ended else info, i))
            if ended:
                cause = _cause(info.get("final_info", {}), i, bool(terminated[i]))
                done[i] = running.pop(i).ended(cause, bool(terminated[i]), policy)
    return [done[i] for i in sorted(done)]


def _terms(info: dict[str, Any], i: int) -> dict[str, float]:
    terms = info.get("reward_terms")
    if not isinstance(terms, dict):
        return {}
    return {k: float(v[i]) for k, v in terms.items() if not k.startswith("_")}


def _cause(final: dict[str, Any], i: int, terminated: bool) -> str:
    said = final.get("termination")
    known = said[i] if said is not None else None
    return str(known) if known else ("terminal state" if terminated else "time limit")


def _returns(policy: TrainedPolicy, rewards: Array, values: Array, terminated: bool) -> Array:
    gamma = float(getattr(policy.model, "gamma", 1.0))
    scaled, normalizer = rewards, policy.normalizer
    if normalizer is not None and normalizer.norm_reward:
        scaled = rewards / np.sqrt(normalizer.returns.var + normalizer.epsilon)
        scaled = np.clip(scaled, -normalizer.clip_reward, normalizer.clip_reward)
    goes_on = not terminated and np.isfinite(values[-1])
    after, result = float(values[-1]) if goes_on else 0.0, np.empty(len(rewards))
    for t in reversed(range(len(rewards))):
        result[t] = after = scaled[t] + gamma * after
    return result


def _draws(
    policy: TrainedPolicy, env: VectorEnv, seed: int, episode: Recording
) -> tuple[Array, int]:
    """Draw actions in the middle of the first episode; at its start if the policy remembers."""
    if policy.algo in FIXED:
        return np.empty((0, episode.actions.shape[1])), 0
    same: Any = [seed] * env.num_envs
    obs, _ = env.reset(seed=same)
    policy.reset()
    act, at = policy.acting_in(env), 0
    if "Recurrent" not in policy.algo:
        for at in range(1, len(episode.rewards) // 2 + 1):  # noqa: B007
            obs, *_ = env.step(act(obs))
    masks = masks_of(env) if policy.algo == MASKABLE else None
    allowed = None if masks is None else np.repeat(masks()[:1], DRAWS, axis=0)
    policy.reset()
    drawn = policy.act(_repeated(obs), deterministic=False, masks=allowed)
    policy.reset()
    return np.reshape(drawn, (DRAWS, -1)).astype(np.float64), at


def _repeated(obs: Any) -> Any:
    if isinstance(obs, dict):
        return {key: np.repeat(part[:1], DRAWS, axis=0) for key, part in obs.items()}
    return np.repeat(obs[:1], DRAWS, axis=0)
