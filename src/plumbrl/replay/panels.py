"""The curves beside the scene: which there are, and their numbers as the page reads them."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbrl.replay.episode import Episode

Array = np.ndarray
LINES = 8
"""Curves in one chart."""
NUMBERS = 10
"""Charts of numbers from the environment's info."""
MOST = 20_000
"""Points of a curve; a longer episode is shown in strides."""
FIRST = ("tilt", "height")
"""What one asks for first."""
IDLE = ("seconds", "time", "TimeLimit.truncated")
"""Numbers that only repeat the clock."""
UNITS = {"tilt": "rad", "distance": "m", "speed_along_target": "m/s", "velocity_error": "m/s"}


def panels(episode: Episode) -> list[dict[str, Any]]:
    """Return the charts of an episode, each with its title, unit, bounds and lines."""
    stride = stride_of(episode)
    charts = [_chart("Reward", "per step", _rewards(episode), stride)]
    if episode.values is not None and episode.returns is not None:
        lines = {"expected by the critic": episode.values, "what came": episode.returns}
        charts.append(_chart("Value", "discounted return", lines, stride))
    charts.append(_actions(episode, stride))
    for name, numbers in _numbers(episode).items():
        charts.append(_chart(name.replace("_", " "), UNITS.get(name, ""), {name: numbers}, stride))
    return charts


def stride_of(episode: Episode) -> int:
    """Return how many steps lie between the points of a curve."""
    return -(-episode.steps // MOST)


def packed(numbers: Array) -> str:
    """Return numbers as base64 of little-endian float32."""
    return b64encode(np.ascontiguousarray(numbers, dtype="<f4").tobytes()).decode()


def _chart(title: str, unit: str, lines: Mapping[str, Array], stride: int) -> dict[str, Any]:
    shown = [{"name": name, "data": packed(line[::stride])} for name, line in lines.items()]
    return {"title": title, "unit": unit, "lines": shown}


def _rewards(episode: Episode) -> dict[str, Array]:
    if not episode.terms:
        return {"reward": episode.rewards}
    terms = dict(list(episode.terms.items())[: LINES - 1])
    return {"reward": episode.rewards} | terms


def _actions(episode: Episode, stride: int) -> dict[str, Any]:
    count = episode.actions.shape[1]
    lines = {f"{k}": episode.actions[:, k] for k in range(min(count, LINES))}
    title = f"Actions, the first {LINES} of {count}" if count > LINES else "Actions"
    chart = _chart(title if count > 1 else "Action", "", lines, stride)
    if episode.low is not None and episode.high is not None:
        chart["bounds"] = [float(episode.low.min()), float(episode.high.max())]
    return chart


def _numbers(episode: Episode) -> dict[str, Array]:
    found = _posture(episode) | {k: v for k, v in episode.numbers.items() if k not in IDLE}
    if "tilt" in episode.numbers:
        found["tilt"] = episode.numbers["tilt"]
    names = sorted(found, key=lambda name: name not in FIRST)
    return {name: found[name] for name in names[:NUMBERS] if np.isfinite(found[name]).any()}


def _posture(episode: Episode) -> dict[str, Array]:
    """Height of the followed body, and the angle of its upward axis to where it began."""
    scene = episode.scene
    if scene is None or scene.followed < 0:
        return {}
    rotations = scene.rotations[1:, scene.followed].astype(np.float64)
    height = scene.positions[1:, scene.followed, 2].astype(np.float64)
    up = 1 - 2 * (rotations[:, 1] ** 2 + rotations[:, 2] ** 2)
    return {"tilt": np.arccos(np.clip(up, -1, 1)), "height": height}
