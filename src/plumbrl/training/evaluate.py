"""Run policies on the same held-out seeds and compare them."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from plumbrl.metrics.episodes import Evaluation

Array = np.ndarray
Act = Callable[[Any], Array]
"""From batched observations to actions."""


def evaluate(name: str, env: VectorEnv, act: Act, seeds: Array) -> Evaluation:
    """Run one episode per seed, one environment each.

    Args:
        name: Name of the policy.
        env: As many environments as seeds, autoreset mode SAME_STEP.
        act: The policy.
        seeds: (n,).
    """
    n = env.num_envs
    if len(seeds) != n:
        raise ValueError(f"{len(seeds)} seeds for {n} environments")
    obs, info = env.reset(seed=[int(s) for s in seeds])  # pyright: ignore[reportArgumentType]
    running = np.ones(n, dtype=bool)
    returns, lengths, terminal = np.zeros(n), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    causes: Counter[str] = Counter()
    sums = {key: np.zeros(n) for key in _numeric(info, n)}
    while running.any():
        obs, reward, terminated, truncated, info = env.step(act(obs))
        returns[running] += np.asarray(reward)[running]
        lengths[running] += 1
        ended = running & (terminated | truncated)
        going = running & ~ended
        for key, values in _numeric(info, n).items():
            sums.setdefault(key, np.zeros(n))[going] += values[going]
        terminal[ended] = terminated[ended]
        causes.update(_causes(info, ended))
        running = going
    steps = np.maximum(lengths - 1, 1)
    metrics = {key: total / steps for key, total in sums.items()}
    return Evaluation(name, np.asarray(seeds), returns, lengths, terminal, dict(causes), metrics)


def compare(env: VectorEnv, policies: dict[str, Act], seeds: Array) -> list[Evaluation]:
    """Evaluate several policies, the environment's own baselines, and random actions.

    An environment may offer baselines as a method `baselines()` that returns functions without
    arguments, which look at the true state.
    """
    own = getattr(env.unwrapped, "baselines", None)
    names = [*policies, *(own() if own else {}), "random"]
    results = []
    for name in names:
        if name in policies:
            act = policies[name]
        elif name == "random":
            env.action_space.seed(int(seeds[0]))
            act = lambda _: env.action_space.sample()  # noqa: E731
        else:
            fresh = own()[name]  # type: ignore[misc]  # baselines keep state: a new one each time
            act = lambda _, fresh=fresh: fresh()  # noqa: E731
        results.append(evaluate(name, env, act, seeds))
    return results


def _numeric(info: dict[str, Any], n: int) -> dict[str, Array]:
    """Arrays of one number per environment, without masks and the marks of ended episodes."""
    return {
        key: value
        for key, value in info.items()
        if isinstance(value, np.ndarray) and value.shape == (n,) and value.dtype.kind == "f"
    }


def _causes(info: dict[str, Any], ended: Array) -> list[str]:
    final = info.get("final_info", {}).get("termination")
    if final is None:
        return []
    return [str(final[i]) for i in np.flatnonzero(ended)]
