"""Logs of single episodes and evaluations: SB3's `monitor.csv`, `evaluations.npz`."""

import json
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from plumbrl.errors import UserError
from plumbrl.logs.delimited import read_table
from plumbrl.logs.log import Log, content, lines_of
from plumbrl.logs.names import trailing_mean

Array = np.ndarray
OVER = 100
"""Episodes that SB3 averages over."""
LONGEST = 1e12
"""No episode has more steps."""
NO_ARRAYS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    BadZipFile,
    zlib.error,
    RuntimeError,
)
"""What a damaged archive may raise."""


def read_monitors(files: Sequence[Path]) -> Log:
    """Read the `monitor.csv` of one environment, or of several that were stepped together.

    Raises:
        UserError: No episode of any of them ended.
    """
    notes: list[str] = []
    settings: dict[str, Any] = {"num_envs": len(files)}
    parts = [_episodes(file, settings, notes) for file in sorted(files)]
    ends, returns, lengths = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not len(ends):
        raise UserError(f"{files[0]} holds no rows: no episode has ended.")
    order = np.argsort(ends, kind="stable")
    columns = {
        "rollout/ep_rew_mean": trailing_mean(returns[order], OVER),
        "rollout/ep_len_mean": trailing_mean(lengths[order], OVER),
        "time/time_elapsed": ends[order] - min(settings.pop("t_start", 0.0), ends.min()),
    }
    steps = np.cumsum(lengths[order])
    return Log("monitor.csv", columns, steps=steps, settings=settings, notes=notes)


def read_evaluations(path: Path) -> Log:
    """Read the `evaluations.npz` that SB3's `EvalCallback` keeps.

    Raises:
        UserError: It is none.
    """
    try:
        with np.load(BytesIO(content(path)), allow_pickle=False) as arrays:
            steps = arrays["timesteps"].astype(np.float64, casting="same_kind")
            returns, lengths = (_mean(arrays[name]) for name in ("results", "ep_lengths"))
    except NO_ARRAYS:
        raise UserError(f"{path} is no evaluations.npz of SB3.") from None
    fits = steps.ndim == 1 and steps.shape == returns.shape == lengths.shape
    if not fits or not len(steps) or not np.isfinite(steps).all():
        raise UserError(f"{path} is no evaluations.npz of SB3: its arrays do not fit together.")
    columns = {"eval/mean_reward": returns, "eval/mean_ep_length": lengths}
    return Log(path.name, columns, steps=steps)


def _mean(episodes: Array) -> Array:
    """Return the means of evaluations, of which some may have no episodes."""
    rows = episodes.astype(np.float64, casting="same_kind").reshape(len(episodes), -1)
    with np.errstate(all="ignore"):
        return rows.sum(axis=1) / rows.shape[1] if rows.shape[1] else np.full(len(rows), np.nan)


def _episodes(path: Path, settings: dict[str, Any], notes: list[str]) -> tuple[Array, Array, Array]:
    """Return wall times, returns and lengths of the episodes in one file."""
    lines, torn = lines_of(path)
    if torn.strip():
        notes.append(f"The last line of {path.name} does not end and was left out.")
    start = _header(lines, settings)
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    if not lines or not {"r", "l", "t"} <= set(lines[0].split(",")):
        raise UserError(f"{path} is no monitor.csv of SB3.")
    if len(lines) == 1:
        return np.empty(0), np.empty(0), np.empty(0)
    columns = read_table(lines, "r", notes, path)
    found = [columns.get(name, np.full(len(lines) - 1, np.nan)) for name in ("t", "r", "l")]
    whole = np.isfinite(found).all(axis=0) & (found[2] >= 0) & (found[2] < LONGEST)
    if not whole.all():
        notes.append(f"{path.name} has rows without return, length or time; they were left out.")
    times, returns, lengths = (column[whole] for column in found)
    return times + start, returns, lengths


def _header(lines: Sequence[str], settings: dict[str, Any]) -> float:
    """Take over what the first line says; return when the file was begun."""
    try:
        header = json.loads(lines[0].removeprefix("#")) if lines else {}
        start = float(header["t_start"])
        settings["t_start"] = min(settings.get("t_start", start), start)
        settings["env_id"] = header.get("env_id")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return 0.0
    return start if np.isfinite(start) else 0.0
