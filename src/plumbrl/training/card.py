"""What one must know to run an exported policy elsewhere."""

import importlib.metadata
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from plumbrl.training.deployed import BOX
from plumbrl.training.normalizer import Moments, Normalizer
from plumbrl.training.policy import TrainedPolicy

VERSIONS = ("plumbrl", "stable-baselines3", "torch", "onnx", "onnxruntime", "gymnasium")


def make_card(
    policy: TrainedPolicy,
    env: Any,
    names: tuple[str, ...],
    facts: dict[str, Any],
    verification: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the card as plain data.

    Args:
        policy: The policy.
        env: Its vector environment.
        names: Of the inputs, in order.
        facts: As for `export`.
        verification: How the exported policy compared with the trained one.
    """
    raw = env.single_observation_space
    parts = raw.spaces if isinstance(raw, spaces.Dict) else {BOX: raw}
    entries = facts.pop("observations", {})
    actions = facts.pop("actions", None)
    return {
        "schema": 1,
        "environment": policy.env.model_dump(mode="json"),
        "control_hz": facts.pop("control_hz", None),
        "inputs": {
            name: _described(parts[name]) | {"entries": entries.get(name)} for name in names
        },
        "output": {"action": _described(env.single_action_space) | {"entries": actions}},
        "inside": {
            "encoder": policy.encoder is not None,
            "normalizer": _normalizer(policy.normalizer),
            "action": "squashed to its range"
            if policy.model.policy.squash_output
            else "clipped to its range",
        },
        "training": {
            "algo": policy.algo,
            "timesteps": policy.timesteps,
            "model": str(policy.path),
            "config": policy.config.model_dump(mode="json") if policy.config else None,
        },
        "verification": dict(verification),
        "notes": list(policy.notes),
        "versions": {n: importlib.metadata.version(n) for n in VERSIONS},
    } | facts


def _described(space: spaces.Space) -> dict[str, Any]:
    """Return type, shape, type of numbers and range of a space."""
    known: dict[str, Any] = {
        "space": type(space).__name__,
        "shape": ["batch", *(space.shape or ())],
    }
    known["dtype"] = str(space.dtype)
    if isinstance(space, spaces.Box):
        low, high = np.unique(space.low), np.unique(space.high)
        one = len(low) == len(high) == 1
        known["low"] = float(low[0]) if one else space.low.tolist()
        known["high"] = float(high[0]) if one else space.high.tolist()
    elif isinstance(space, spaces.Discrete):
        known["values"] = int(space.n)
    elif isinstance(space, spaces.MultiDiscrete):
        known["values"] = space.nvec.tolist()
    return known


def _normalizer(normalizer: Normalizer | None) -> dict[str, Any] | None:
    if normalizer is None or normalizer.observation is None:
        return None
    found = normalizer.observation
    by_key = {BOX: found} if isinstance(found, Moments) else found
    return {
        "formula": "clip((x - mean) / sqrt(var + epsilon), -clip, clip)",
        "clip": normalizer.clip_obs,
        "epsilon": normalizer.epsilon,
        "inputs": {k: {"mean": m.mean.tolist(), "var": m.var.tolist()} for k, m in by_key.items()},
    }
