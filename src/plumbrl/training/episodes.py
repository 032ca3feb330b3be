"""Record a trained policy's episodes for replay, as they were in its evaluation."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from plumbrl.adapters.sb3.outputs import values_of
from plumbrl.errors import UserError
from plumbrl.metrics.episodes import Evaluation
from plumbrl.replay.episode import Episode
from plumbrl.replay.files import FOLDER, write_episode
from plumbrl.replay.record import build, record
from plumbrl.training.algorithms import MASKABLE
from plumbrl.training.config import EnvSection
from plumbrl.training.envs import arguments
from plumbrl.training.masks import NAME
from plumbrl.training.policy import TrainedPolicy

WORST, BEST = 2, 1
"""Episodes of an evaluation that are recorded."""


def record_extremes(
    policy: TrainedPolicy,
    evaluation: Evaluation,
    *,
    place: tuple[str, EnvSection] | None = None,
    rows: int,
    worst: int = WORST,
) -> tuple[list[Path], list[str]]:
    """Record the worst episodes of an evaluation, and the best one, into the run folder.

    A failure is said and does no harm.

    Args:
        policy: That was evaluated, deterministically.
        evaluation: Its episodes.
        place: Name and environment of the evaluation; None: where it was trained.
        rows: Environments that ran side by side.
        worst: How many of the worst; 0 records none at all.

    Returns:
        The files, the worst first, and what is to be said; nothing without a run folder.
    """
    if policy.folder is None or worst < 1:
        return [], []
    name, section = place or ("", policy.env)
    order = np.argsort(np.nan_to_num(evaluation.returns, nan=-np.inf), kind="stable")
    chosen = list(dict.fromkeys([*order[:worst].tolist(), *order[::-1][:BEST].tolist()]))
    seeds = [int(evaluation.seeds[i]) for i in chosen]
    try:
        episodes = record_seeds(policy, seeds, section, rows=rows, lanes=[i % rows for i in chosen])
        expected = [float(evaluation.returns[i]) for i in chosen]
        episodes = [_compared(e, x) for e, x in zip(episodes, expected, strict=True)]
        files = [save(policy, episode, name) for episode in episodes]
    except Exception as error:  # whatever a foreign environment does when it is built alone
        what = " ".join(str(error).split()) or type(error).__name__
        return [], [f"No episode was recorded: {what}"]
    return files, list(dict.fromkeys(note for episode in episodes for note in episode.notes))


def record_seeds(
    policy: TrainedPolicy,
    seeds: Sequence[int],
    section: EnvSection | None = None,
    *,
    rows: int = 1,
    lanes: Sequence[int] | None = None,
) -> list[Episode]:
    """Record one deterministic episode per seed.

    Args:
        policy: Acts.
        seeds: Of the resets.
        section: Environment; None: where it was trained.
        rows: Observations that the network is shown at once, all alike: the last digits of its
            answer depend on their number, and in chaotic environments the whole episode on them.
        lanes: Row of each seed in that batch; None: the first.

    Raises:
        UserError: The environment cannot be built alone.
    """
    section = section or policy.env
    settings = arguments(section)
    env = build(section.id, settings)
    value, gamma = _critic(policy), float(getattr(policy.model, "gamma", 0.99))
    who = f"{policy.algo}, {policy.timesteps:,} timesteps"
    try:
        return [
            record(
                env, _acting(policy, env, rows, lane), seed, value=value, gamma=gamma,
                name=(section.id, settings), policy=who,
            )
            for seed, lane in zip(seeds, lanes or [0] * len(seeds), strict=True)
        ]  # fmt: skip
    finally:
        env.close()


def save(policy: TrainedPolicy, episode: Episode, place: str = "") -> Path:
    """Write an episode into the policy's run folder; the same one recorded before is replaced.

    Raises:
        UserError: The policy lies in no run folder.
    """
    if policy.folder is None:
        raise UserError("only episodes of a run folder are kept.")
    model = policy.path.stem if policy.path is not None else "model"
    ground = re.sub(r"[^A-Za-z0-9.-]+", "-", place).strip("-.")
    name = "_".join(part for part in (model, ground, f"seed{episode.seed}") if part)
    return write_episode(policy.folder / FOLDER / f"{name}.npz", episode)


def _acting(
    policy: TrainedPolicy, env: gymnasium.Env, rows: int, lane: int
) -> Callable[[Any], Any]:
    policy.reset()
    masked = policy.algo == MASKABLE and env.has_wrapper_attr(NAME)
    space = env.action_space
    discrete = isinstance(space, gymnasium.spaces.Discrete)

    def act(obs: Any) -> Any:
        masks = _batched(env.get_wrapper_attr(NAME)(), rows) if masked else None
        action = policy.act(_batched(obs, rows), masks=masks)[lane]
        return int(action) if discrete else action

    return act


def _critic(policy: TrainedPolicy) -> Callable[[Any, Any], float]:
    """Return what gives the value of an observation and an action, in units of the reward."""
    scale, normalizer = 1.0, policy.normalizer
    if normalizer is not None and normalizer.norm_reward:
        scale = float(np.sqrt(normalizer.returns.var + normalizer.epsilon))

    def value(obs: Any, action: Any) -> float:
        seen = policy.prepared(_batched(obs))
        return scale * float(values_of(policy.model, seen, np.asarray(action)[None])[0])

    return value


def _batched(obs: Any, rows: int = 1) -> Any:
    """Return an observation, or a dictionary of them, as a batch of `rows` alike."""
    if isinstance(obs, dict):
        return {key: _batched(part, rows) for key, part in obs.items()}
    return np.repeat(np.asarray(obs)[None], rows, axis=0)


def _compared(episode: Episode, expected: float) -> Episode:
    if np.isclose(episode.total, expected, rtol=1e-6, atol=1e-9, equal_nan=True):
        return episode
    note = (
        f"Seed {episode.seed} alone gave a return of {episode.total:.6g}, not the "
        f"{expected:.6g} of the evaluation."
    )
    return replace(episode, notes=(*episode.notes, note))
