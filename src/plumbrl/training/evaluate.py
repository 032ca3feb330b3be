"""Run policies on the same held-out seeds and compare them."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from plumbrl.metrics.episodes import Evaluation
from plumbrl.training.masks import masks_of

Array = np.ndarray
Act = Callable[[Any], Array]
"""From batched observations to actions."""
SUCCESS = ("is_success", "success")
"""Marks in the info of an episode's last step that say whether the task was done."""


def evaluate(name: str, env: VectorEnv, act: Act, seeds: Array) -> Evaluation:
    """Run one episode per seed.

    Args:
        name: Name of the policy.
        env: Autoreset mode SAME_STEP; with fewer environments than seeds, the episodes are run in
            chunks.
        act: The policy; it must not remember anything between chunks.
        seeds: (n,).
    """
    return evaluate_fresh(name, env, lambda: act, seeds)


def evaluate_fresh(name: str, env: VectorEnv, make: Callable[[], Act], seeds: Array) -> Evaluation:
    """Run one episode per seed with a policy that is made anew for every chunk of them.

    Beside the environment's own numbers the metrics hold, where actions are bounded,
    ``action_effort`` (mean square of the action, 1 at the bounds) and ``action_change`` (mean
    absolute change between steps, in units of half the range); and under ``<name>_at_end`` the
    numbers of the last step, with ``is_success_at_end`` as 0 or 1.

    Args:
        name: Name of the policy.
        env: Autoreset mode SAME_STEP.
        make: Called after the environments were reset; gives the policy.
        seeds: (n,).
    """
    seeds = np.asarray(seeds)
    chunks = [_Chunk(env, make, part) for part in _parts(seeds, env.num_envs)]
    causes = sum((chunk.causes for chunk in chunks), Counter())

    def joined(of: Callable[["_Chunk"], Array]) -> Array:
        return np.concatenate([of(chunk) for chunk in chunks])

    names = set.intersection(*(set(chunk.metrics) for chunk in chunks))
    metrics = {key: joined(lambda c, key=key: c.metrics[key]) for key in sorted(names)}
    return Evaluation(
        name, seeds, joined(lambda c: c.returns), joined(lambda c: c.lengths),
        joined(lambda c: c.terminal), dict(causes), metrics,
    )  # fmt: skip


def compare(env: VectorEnv, policies: dict[str, Act], seeds: Array) -> list[Evaluation]:
    """Evaluate several policies, the environment's own baselines, and random actions.

    An environment may offer baselines as a method `baselines()` that returns functions without
    arguments, which look at the true state.
    """
    results = [evaluate(name, env, act, seeds) for name, act in policies.items()]
    return results + evaluate_baselines(env, seeds)


def evaluate_baselines(
    env: VectorEnv, seeds: Array, *, only: str | None = None
) -> list[Evaluation]:
    """Evaluate the environment's own baselines, if it has any, and random actions.

    Args:
        env: The environments.
        seeds: One per episode, (n,).
        only: This one and nothing else.
    """
    own = getattr(env.unwrapped, "baselines", None)
    results = []
    for name in own() if own else ():  # baselines keep state: a new one each time
        if only not in (None, name):
            continue

        def make(name: str = name) -> Act:
            fresh = own()[name]  # type: ignore[misc]
            return lambda _: fresh()

        results.append(evaluate_fresh(name, env, make, seeds))
    if only is not None:
        return results
    env.action_space.seed(int(seeds[0]))
    return [*results, evaluate("random", env, _random(env), seeds)]


def _random(env: VectorEnv) -> Act:
    """Return uniform actions, of those that are allowed where a single choice is masked."""
    masks, space = masks_of(env), env.action_space
    if masks is None or not isinstance(env.single_action_space, spaces.Discrete):
        return lambda _: space.sample()
    return lambda _: space.sample(mask=tuple(masks().astype(np.int8)))


def _parts(seeds: Array, size: int) -> Iterator[Array]:
    for start in range(0, len(seeds), size):
        yield seeds[start : start + size]


class _Chunk:
    """Episodes that run side by side; environments without a seed of their own are ignored."""

    def __init__(self, env: VectorEnv, make: Callable[[], Act], seeds: Array) -> None:
        n, wanted = env.num_envs, len(seeds)
        padded = np.concatenate([seeds, np.repeat(seeds[-1:], n - wanted)])
        obs, info = env.reset(seed=[int(s) for s in padded])  # pyright: ignore[reportArgumentType]
        act = make()
        running = np.arange(n) < wanted
        returns, lengths = np.zeros(n), np.zeros(n, dtype=np.int64)
        terminal = np.zeros(n, dtype=bool)
        effort = _Effort(env, n)
        sums = {key: np.zeros(n) for key in _numeric(info, n)}
        last: dict[str, Array] = {}
        self.causes: Counter[str] = Counter()
        while running.any():
            action = act(obs)
            effort.add(action, running)
            obs, reward, terminated, truncated, info = env.step(action)
            returns[running] += np.asarray(reward)[running]
            lengths[running] += 1
            ended = running & (terminated | truncated)
            going = running & ~ended
            for key, values in _numeric(info, n).items():
                sums.setdefault(key, np.zeros(n))[going] += values[going]
            terminal[ended] = terminated[ended]
            self._take_last(info.get("final_info", {}), ended, last)
            running = going
        self.returns, self.lengths = returns[:wanted], lengths[:wanted]
        self.terminal = terminal[:wanted]
        steps = np.maximum(lengths - 1, 1)
        metrics = {key: total / steps for key, total in sums.items()} | last
        metrics |= effort.means(lengths)
        self.metrics = {key: values[:wanted] for key, values in metrics.items()}

    def _take_last(self, final: dict[str, Any], ended: Array, last: dict[str, Array]) -> None:
        n = len(ended)
        numbers = _numeric(final, n)
        for mark in SUCCESS:
            if mark in final:
                numbers["is_success"] = np.asarray(final[mark], dtype=np.float64)
        for key, values in numbers.items():
            last.setdefault(f"{key}_at_end", np.full(n, np.nan))[ended] = values[ended]
        self.causes.update(_causes(final, ended))


class _Effort:
    """Adds up how much and how jerkily a policy acts, in units of half the actions' range."""

    def __init__(self, env: VectorEnv, n: int) -> None:
        box = env.single_action_space
        bounded = isinstance(box, spaces.Box) and box.is_bounded("both")
        self._range = (box.low, box.high) if bounded else None  # type: ignore[union-attr]
        self._before: Array | None = None
        self._square, self._change = np.zeros(n), np.zeros(n)

    def add(self, action: Array, running: Array) -> None:
        if self._range is None:
            return
        low, high = self._range
        scaled = np.clip(2 * (np.asarray(action, dtype=np.float64) - low) / (high - low) - 1, -1, 1)
        scaled = scaled.reshape(len(running), -1)
        self._square[running] += np.mean(scaled**2, axis=1)[running]
        if self._before is not None:
            self._change[running] += np.mean(np.abs(scaled - self._before), axis=1)[running]
        self._before = scaled

    def means(self, lengths: Array) -> dict[str, Array]:
        if self._range is None:
            return {}
        steps = np.maximum(lengths, 1)
        changes = self._change / np.maximum(steps - 1, 1)
        return {"action_effort": self._square / steps, "action_change": changes}


def _numeric(info: dict[str, Any], n: int) -> dict[str, Array]:
    """Arrays of one number per environment, without masks and the marks of ended episodes."""
    return {
        key: value
        for key, value in info.items()
        if isinstance(value, np.ndarray) and value.shape == (n,) and value.dtype.kind == "f"
    }


def _causes(final: dict[str, Any], ended: Array) -> list[str]:
    causes = final.get("termination")
    if causes is None:
        return []
    return [str(causes[i]) for i in np.flatnonzero(ended)]
