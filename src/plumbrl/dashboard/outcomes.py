"""What runs were set to and what they came to, for comparing them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from plumbrl.history import History
from plumbrl.metrics.statistics import Interval, mean_interval
from plumbrl.rules.derived import filled, return_column
from plumbrl.shipped import LOADER

LAST = 5
"""Rows whose median is the return at the end of training, where nothing was evaluated."""
OWN = {"name", "out", "encoder.path"}
"""Settings that differ for every run and say nothing."""


@dataclass(frozen=True)
class Outcome:
    """The return that a run came to.

    Attributes:
        interval: Mean with its 95 % bootstrap interval; None if there are no single episodes.
        value: The mean.
        said: Of what, in words.
    """

    interval: Interval | None
    value: float
    said: str


def settings_of(folder: Path, history: History | None) -> dict[str, str]:
    """Return settings by dotted name, as text: of `config.yaml`, else what the log says."""
    try:
        plain = yaml.load((folder / "config.yaml").read_text("utf-8"), Loader=LOADER)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        plain = asdict(history.facts) if history is not None else {}
    known = {key: value for key, value in _flat(plain) if key not in OWN}
    return {key: _text(value) for key, value in known.items() if value is not None}


def differing(settings: list[dict[str, str]]) -> dict[str, list[str]]:
    """Return the settings in which runs differ: what each has, empty where it has none."""
    names = dict.fromkeys(key for known in settings for key in known)
    rows = {key: [known.get(key, "") for known in settings] for key in names}
    return {key: row for key, row in rows.items() if len(set(row)) > 1}


def outcome_of(folder: Path, history: History | None) -> Outcome | None:
    """Return what a run came to: on held-out seeds, in its last evaluation, or while training."""
    for returns, said in (
        (_held_out(folder), "held-out episodes"),
        (_evaluated(folder), "episodes of the last evaluation"),
    ):
        known = returns[np.isfinite(returns)]
        if len(known) > 1:
            interval = mean_interval(known)
            return Outcome(interval, interval.estimate, f"{len(known)} {said}")
    key = return_column({name: history[name] for name in history}) if history else None
    if history is None or key is None:
        return None
    values = filled(history[key])
    return Outcome(None, float(np.nanmedian(values[-LAST:])), f"end of training, {key}")


def _held_out(folder: Path) -> np.ndarray:
    """Return the returns of the trained policy, which comes first."""
    try:
        first = json.loads((folder / "evaluations.jsonl").read_text("utf-8").splitlines()[0])
        return np.array(first["returns"], dtype=np.float64).ravel()
    except (OSError, ValueError, TypeError, LookupError):
        return np.empty(0)


def _evaluated(folder: Path) -> np.ndarray:
    try:
        with np.load(folder / "evaluations.npz", allow_pickle=False) as arrays:
            return np.asarray(arrays["results"][-1], dtype=np.float64).ravel()
    except Exception:  # whatever a damaged archive raises
        return np.empty(0)


def _flat(settings: Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and before.count(".") < 8:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _text(value: Any) -> str:
    text = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
    return text if len(text) < 100 else f"{text[:97]}..."
