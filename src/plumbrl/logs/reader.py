"""From any log to a history."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from plumbrl.errors import UserError
from plumbrl.history import History
from plumbrl.logs.episodes import read_evaluations
from plumbrl.logs.find import read_file, read_folder
from plumbrl.logs.log import Log
from plumbrl.logs.names import canonical, clock_note, step_column
from plumbrl.logs.order import filled, in_order
from plumbrl.logs.settings import facts_of, settings_beside

STEPS = "time/total_timesteps"
EVALUATIONS = "evaluations.npz"

Array = np.ndarray


def read(path: Path | str) -> History:
    """Read the log of one run.

    Knows our run folders; SB3's `progress.csv`, `progress.json`, `monitor.csv` and
    `evaluations.npz`; event files of TensorBoard, as CleanRL and rsl_rl write them; offline runs of
    W&B; TorchRL's CSV folders; and any CSV or JSON lines with a column of steps. Columns get SB3's
    names and signs (`names.yaml`); steps do not fall; numbers that are no numbers are NaN.

    Args:
        path: A file, or a folder that holds one run.

    Raises:
        UserError: There is nothing to read, or several runs; in one sentence.
    """
    path = Path(path)
    if not os.path.exists(path):  # unlike Path.exists, of names too long as well
        raise UserError(f"Cannot read {path}: there is no such file or folder.")
    if path.is_dir():
        log, folder = read_folder(path)
    else:
        log, folder = read_file(path), path.parent
    said = {key: value for key, value in log.settings.items() if value is not None}
    log.settings = settings_beside(path) | settings_beside(folder) | said
    history = _history(log)
    evaluations = folder / EVALUATIONS
    if path.is_dir() and evaluations.exists() and "eval/mean_reward" not in history:
        return _with_evaluations(history, evaluations)
    return history


def _history(log: Log) -> History:
    """Return a log as a history: with steps that do not fall, our names, facts."""
    notes, columns = list(log.notes), dict(log.columns)
    name = step_column(columns) if log.steps is None else None
    steps = filled(columns[name]) if name else log.steps
    assert steps is not None
    if name and name != STEPS:
        del columns[name]
    kept, note = in_order(steps)
    clock = clock_note(columns, name)
    notes += [text for text in (note, clock, _standing(steps)) if text]
    columns = canonical({key: column[kept] for key, column in columns.items()}, notes)
    facts = facts_of(log.settings)
    undefined = canonical({key: np.full(1, np.nan) for key in log.undefined}, [])
    return History(
        steps[kept], columns, facts=facts, source=log.source, notes=tuple(notes),
        undefined=frozenset(undefined),
    )  # fmt: skip


def _standing(steps: Array) -> str | None:
    still = len(steps) > 1 and steps.min() == steps.max()
    return f"All {len(steps)} rows are at step {steps[0]:.0f}: none were logged." if still else None


def _with_evaluations(history: History, path: Path) -> History:
    """Return a history with rows of evaluations among its own."""
    try:
        more = _history(read_evaluations(path))
    except UserError as error:
        return _joined(history, [history], note=str(error))
    return _joined(history, [history, more])


def _joined(history: History, parts: Sequence[History], note: str | None = None) -> History:
    """Return the rows of several histories by their steps, with what is known about the first."""
    steps = np.concatenate([part.steps for part in parts])
    order = np.argsort(steps, kind="stable")
    names = dict.fromkeys(name for part in parts for name in part)
    columns = {
        name: np.concatenate(
            [part[name] if name in part else np.full(part.rows, np.nan) for part in parts]
        )[order]
        for name in names
    }
    source = ", ".join(part.source for part in parts)
    notes = (*history.notes, note) if note else history.notes
    return History(
        steps[order], columns, facts=history.facts, source=source, notes=notes,
        undefined=history.undefined,
    )  # fmt: skip
