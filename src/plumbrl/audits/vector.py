"""Environments that step together must reset as they say, and share neither seeds nor state."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from plumbrl.audits.arrays import Kept
from plumbrl.audits.traces import Leaves, leaves, same, sampled_actions
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
MakeVector = Callable[[], VectorEnv]
RESET, SEEDS, STATE = "vector: resets", "vector: seeds differ", "vector: states are separate"


@dataclass(frozen=True)
class Row:
    """What one environment of a vector returned at one step; `final` is its last observation."""

    observation: Leaves
    reward: float = 0.0
    ended: bool = False
    final: Leaves | None = None


def check_vector(make_vector: MakeVector, *, seed: int = 0, steps: int = 200) -> list[Outcome]:
    """Check a vector of environments.

    Args:
        make_vector: Returns a new vector at each call.
        seed: Of the episodes.
        steps: Long enough that some episodes end.
    """
    kept = Kept()
    with closing(make_vector()) as env:
        mode = env.metadata.get("autoreset_mode")
        columns = _columns(env, seed, sampled_actions(env, steps, seed), kept)
    resets = check_resets(columns, mode)
    return [resets, kept.outcome(), *check_independence(make_vector, seed)]


def check_resets(columns: list[list[Row]], mode: AutoresetMode | str | None) -> Outcome:
    """Compare what happens around ends of episodes with the mode that the vector declares."""
    if mode not in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
        return skipped(RESET, f"autoreset_mode of the metadata is {mode}")
    ends = [(c[t], c[t + 1]) for c in columns for t in range(len(c) - 1) if c[t].ended]
    if not ends:
        return Check(RESET, "inconclusive", "no episode ended"), None
    look = _same_step if mode is AutoresetMode.SAME_STEP else _next_step
    for cause, wrong in look(ends, columns):
        share = float(np.mean(wrong)) if wrong else 0.0
        if share > 0.5:
            reason = f"{share:.0%} of {len(ends)} ends are not as {mode.value} has them"
            return found(RESET, cause, reason, Evidence("share of wrong ends", share, "0"))
    return Check(RESET, "passed", f"{len(ends)} ends are as {mode.value} has them"), None


def _same_step(
    ends: list[tuple[Row, Row]], columns: list[list[Row]]
) -> Iterator[tuple[str, list[bool]]]:
    """The step that ends an episode returns the next one's start, and the end in its info."""
    missing = [end.final is None for end, _ in ends]
    idle = [_is_reset(after) for _, after in ends]
    rewards = [row.reward != 0 for column in columns for row in column[1:] if not row.ended]
    told_apart = np.mean(rewards) > 0.5
    yield (
        "environment.autoreset-mode-mismatch",
        [m and i and bool(told_apart) for m, i in zip(missing, idle, strict=True)],
    )
    yield "environment.final-observation-missing", missing
    finals = [(end.final, end.observation) for end, _ in ends if end.final is not None]
    yield "environment.final-observation-is-reset", _repeated(finals)


def _next_step(ends: list[tuple[Row, Row]], _: list[list[Row]]) -> Iterator[tuple[str, list[bool]]]:
    """The step after an end only resets: reward 0, no end, the start of the next episode."""
    wrong = [end.final is not None or not _is_reset(after) for end, after in ends]
    yield "environment.autoreset-mode-mismatch", wrong
    stale = _repeated([(end.observation, after.observation) for end, after in ends])
    yield "environment.stale-reset-observation", stale


def _repeated(pairs: list[tuple[Leaves, Leaves]]) -> list[bool]:
    """On a grid an episode may well end where it began: there, only all of them count."""
    repeats = [same(*pair) for pair in pairs]
    grid = not any(part.dtype.kind == "f" for pair in pairs for part in pair[0].values())
    return [False] * len(pairs) if grid and not all(repeats) else repeats


def _is_reset(row: Row) -> bool:
    return row.reward == 0 and not row.ended


def check_independence(make_vector: MakeVector, seed: int = 0) -> list[Outcome]:
    """Give all environments the same actions: only equal seeds may make them equal."""
    with closing(make_vector()) as env:
        n, actions = env.num_envs, sampled_actions(env, 20, seed)
    if n < 2 or not isinstance(actions[0], np.ndarray):
        reason = "there is only one environment" if n < 2 else "actions are no arrays"
        return [skipped(STATE, reason), skipped(SEEDS, reason)]
    equal = [np.repeat(action[:1], n, axis=0) for action in actions]

    def run(seeds: int | list[int]) -> list[list[Row]]:
        with closing(make_vector()) as env:
            return _columns(env, seeds, equal)

    return [_state(run, [seed] * n), _seeds(run, seed)]


def _state(run: Callable[[Any], list[list[Row]]], seeds: list[int]) -> Outcome:
    try:
        columns = run(seeds)
    except (gymnasium.error.Error, TypeError, ValueError) as error:
        return skipped(STATE, f"the vector takes no list of seeds: {error}")
    apart = sum(not _same_rows(column, columns[0]) for column in columns)
    if not apart:
        return Check(STATE, "passed", f"{len(seeds)} environments with one seed are equal"), None
    if not _same_rows(run(seeds)[0], columns[0]):
        return skipped(STATE, "the same seed gives other episodes anyway")
    reason = f"{apart} of {len(seeds)} environments with the same seed and actions differ"
    evidence = Evidence("environments that differ", apart, "0")
    return found(STATE, "environment.vector-state-shared", reason, evidence)


def _seeds(run: Callable[[Any], list[list[Row]]], seed: int) -> Outcome:
    columns = run(seed)
    distinct = _distinct(columns)
    reason = f"{distinct} different episodes in {len(columns)} environments"
    if distinct > 1:
        return Check(SEEDS, "passed", reason), None
    if _same_rows(run(seed + 1000)[0], columns[0]):
        return Check(SEEDS, "inconclusive", "seeds make no difference, so nothing is seen"), None
    evidence = Evidence("different episodes", distinct, f"{len(columns)}")
    return found(SEEDS, "environment.vector-seeds-shared", reason, evidence)


def _columns(
    env: VectorEnv, seed: Any, actions: list[Any], kept: Kept | None = None
) -> list[list[Row]]:
    """Return the rows of each environment."""
    observation, _ = env.reset(seed=seed)
    columns = [[Row(row)] for row in _rows(observation, env.num_envs)]
    for action in actions:
        if kept:
            kept.add(observation)
        observation, rewards, terminated, truncated, info = env.step(action)
        finals = info.get("final_obs", [None] * env.num_envs)
        ended = np.logical_or(terminated, truncated)
        for i, row in enumerate(_rows(observation, env.num_envs)):
            final = None if finals[i] is None or not ended[i] else leaves(finals[i])
            columns[i].append(Row(row, float(rewards[i]), bool(ended[i]), final))
    return columns


def _rows(observation: Any, n: int) -> list[Leaves]:
    batch = leaves(observation)
    return [{key: leaf[i] for key, leaf in batch.items()} for i in range(n)]


def _same_rows(one: list[Row], other: list[Row]) -> bool:
    return all(
        same(a.observation, b.observation) and (a.reward, a.ended) == (b.reward, b.ended)
        for a, b in zip(one, other, strict=True)
    )


def _distinct(columns: list[list[Row]]) -> int:
    kept: list[list[Row]] = []
    for column in columns:
        if not any(_same_rows(column, other) for other in kept):
            kept.append(column)
    return len(kept)
