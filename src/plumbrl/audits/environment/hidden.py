"""What an action changes that no observation shows: the reward, infos and an environment's inside.

The inside is read only, and only what is plainly there: numbers among the attributes and, of a
MuJoCo simulation, positions and speeds.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from plumbrl.audits.sample import LARGEST, numbers

Array = np.ndarray
CLOSE = 1e-9
"""Differences up to which numbers are the same."""


def inside(env: gymnasium.Env, info: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an info and of the innermost environment, by name.

    Args:
        env: After a step.
        info: Of this step.
    """
    found = {f"info {name}": value for name, value in numbers(info).items()}
    for name, value in _attributes(env.unwrapped).items():
        for k, number in enumerate(np.asarray(value, dtype=float).ravel()):
            found[f"{name}[{k}]" if np.ndim(value) else name] = float(number)
    return found


def _attributes(env: gymnasium.Env) -> dict[str, Any]:
    """Attributes named for actions are left out: they show what was given, not what it did."""
    held = dict(getattr(env, "__dict__", {}))
    data = held.get("data")
    held |= {key: getattr(data, key) for key in ("qpos", "qvel") if hasattr(data, key)}
    return {k: v for k, v in held.items() if _plain(v) and "act" not in k.lower()}


def _plain(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiub" and 0 < value.size <= LARGEST
    return isinstance(value, bool | int | float | np.number | np.bool_)


def series(rows: list[dict[str, float]]) -> dict[str, Array]:
    """Return each number over the steps, (T,); those that a step lacks are left out."""
    common = set(rows[0]).intersection(*rows) if rows else set()
    return {key: np.array([row[key] for row in rows]) for key in sorted(common)}


def differing(one: Mapping[str, Array], other: Mapping[str, Array]) -> dict[str, bool]:
    """Return what differs, and whether by more and more or less instead of always the same.

    What is charged for an action, and a copy of it, differ by the same at each step for which the
    action is held; what it moves does not.

    Args:
        one: Numbers over the steps after one action, each (T,).
        other: After another; of unequal lengths, the first steps are compared.
    """
    told: dict[str, bool] = {}
    for name in sorted(one.keys() & other.keys()):
        n = min(len(one[name]), len(other[name]))
        apart = np.nan_to_num(one[name][:n] - other[name][:n])
        if np.abs(apart).max(initial=0.0) > CLOSE:
            told[name] = bool(np.ptp(apart) > CLOSE * max(1.0, float(np.abs(apart).max())))
    return told
