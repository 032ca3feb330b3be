"""Collect what can be seen inside a trained policy."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.adapters.sb3 import inside
from plumbrl.adapters.torch_internals import weight_changes
from plumbrl.encoders.images import as_dict, channels_first, image_shapes
from plumbrl.encoders.network import Encoder
from plumbrl.encoders.readout import readout
from plumbrl.errors import UserError
from plumbrl.snapshots.internals import Images, Internals
from plumbrl.training.envs import make_vector
from plumbrl.training.loading import read_zip
from plumbrl.training.one_update import one_update
from plumbrl.training.policy import TrainedPolicy
from plumbrl.training.recording import FIXED, names_of

Array = np.ndarray
ENVS, ROWS, STRIDE = 16, 512, 4
"""Environments side by side, observations that are kept of them, and steps between two."""


def look_inside(policy: TrainedPolicy, seed: int) -> Internals:
    """Return everything that can be seen; what cannot is said in the notes.

    Args:
        policy: The policy.
        seed: First seed of the environments whose observations are looked at.
    """
    notes: list[str] = []
    observations, images = _observations(policy, seed)
    model: Any = policy.model

    def tried(what: Callable[[], Any], empty: Any) -> Any:
        try:
            return what()
        except UserError as error:
            notes.append(str(error))
            return empty

    changes, between = tried(lambda: _changes(policy), ({}, (0, 0)))
    attended = inside.attention(model, observations)
    if attended is None:
        notes.append("no attention: its features extractor has none.")
    parts = isinstance(observations, dict) and len(observations) > 1
    sensitive = inside.saliency(model, observations)
    if not sensitive:
        notes.append("no saliency: it needs a memory, or its observations are whole numbers.")
    return Internals(
        activations=inside.activations_of(model, observations),
        gradients=tried(lambda: one_update(policy, seed), {}),
        changes=changes, between=between,
        attention=attended[0] if attended else None, tokens=attended[1] if attended else (),
        contributions=inside.contributions(model, observations) if parts else {},
        saliency={name: _vectors(by_part) for name, by_part in sensitive.items()},
        names=names_of(model.observation_space),
        maps=_maps(sensitive.get("action", {})),
        images=tried(lambda: _kept(policy, images), None),
        notes=tuple(notes),
    )  # fmt: skip


def _observations(policy: TrainedPolicy, seed: int) -> tuple[Any, dict[str, Array]]:
    """Return what the network is given in stochastic episodes, and images before encoding."""
    env = make_vector(policy.env, ENVS)
    shapes = image_shapes(env.single_observation_space)
    try:
        seeds: Any = list(range(seed, seed + ENVS))
        obs, _ = env.reset(seed=seeds)
        policy.reset()
        policy.seed(seed % 2**32)
        act = policy.acting_in(env, deterministic=policy.algo in FIXED)
        seen, raw = [], []
        for step in range(ROWS // ENVS * STRIDE):
            if step % STRIDE == 0:
                seen.append(policy.prepared(obs))
                raw.append({k: channels_first(as_dict(obs)[k], s) for k, s in shapes.items()})
            obs, *_ = env.step(act(obs))
    finally:
        env.close()
        policy.reset()
    by_env = {k: np.stack([r[k] for r in raw], axis=1) for k in shapes}  # (ENVS, steps, ...)
    return _joined(seen), {k: x.reshape(-1, *x.shape[2:]) for k, x in by_env.items()}


def _joined(seen: list[Any]) -> Any:
    if isinstance(seen[0], dict):
        return {key: np.concatenate([part[key] for part in seen]) for key in seen[0]}
    return np.concatenate(seen)


def _vectors(by_part: dict[str, Array]) -> Array:
    return np.concatenate([np.empty(0), *(x.ravel() for x in by_part.values() if x.ndim != 3)])


def _maps(by_part: dict[str, Array]) -> dict[str, Array]:
    """Return the sensitivity to every pixel, over channels, (H, W)."""
    images = {key: x for key, x in by_part.items() if x.ndim == 3}
    return {k: x.mean(axis=int(np.argmin(x.shape))) for k, x in images.items()}


def _kept(policy: TrainedPolicy, images: dict[str, Array]) -> Images | None:
    found = [policy.encoder] if policy.encoder is not None else []
    found += [part for part in policy.model.policy.modules() if isinstance(part, Encoder)]
    for encoder in found:
        mine = [x for x in images.values() if x.shape[1:] == tuple(encoder.image_shape)]
        if mine:
            return readout(encoder, mine[0])
    if images and not found:
        raise UserError("no reconstruction: no image encoder of ours is in the policy.")
    return None


def _changes(policy: TrainedPolicy) -> tuple[dict[str, Any], tuple[int, int]]:
    """Compare the last two models that the run kept."""
    if policy.folder is None:
        raise UserError("no weight changes: there is no run folder, so no checkpoints.")
    kept = checkpoints(policy.folder)
    if len(kept) < 2:
        raise UserError("no weight changes: the run kept fewer than two models.")
    (first, old), (last, new) = kept[-2:]
    states = [read_zip(path).parameters["policy"] for path in (old, new)]
    return weight_changes(*states), (first, last)


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Return the models that a run kept with their timesteps, the earliest first."""
    named = [(re.search(r"_(\d+)_steps", p.name), p) for p in folder.glob("checkpoints/*.zip")]
    found = {int(match[1]): path for match, path in named if match}
    final = folder / "model.zip"
    if final.is_file():
        found[int(read_zip(final).facts.get("num_timesteps") or 0)] = final
    return sorted(found.items())
