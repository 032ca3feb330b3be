"""A run's numbers for pictures: its log, and what only its table has."""

from pathlib import Path

import numpy as np

from plumbrl.errors import UserError
from plumbrl.history import History
from plumbrl.logs import read

TABLE = "progress.csv"
"""In a run folder it has the reward's terms and the causes of ends beside the watch's numbers."""


def read_run(path: Path) -> History:
    """Read any log; of a run folder also the columns that only its table has.

    Args:
        path: As `plumbrl.logs.read`.

    Raises:
        UserError: As `plumbrl.logs.read`.
    """
    history = read(path)
    if not (path / TABLE).is_file():
        return history
    try:
        return _joined(history, read(path / TABLE))
    except UserError:  # a damaged table takes nothing from what was read
        return history


def _joined(history: History, table: History) -> History:
    """Return the rows of both by their steps; of the second only columns that the first lacks."""
    missing = [key for key in table if key not in history]
    if not missing:
        return history
    steps = np.concatenate([history.steps, table.steps])
    order = np.argsort(steps, kind="stable")
    none, nothing = np.full(table.rows, np.nan), np.full(history.rows, np.nan)
    columns = {key: np.concatenate([history[key], none])[order] for key in history}
    columns |= {key: np.concatenate([nothing, table[key]])[order] for key in missing}
    return History(
        steps[order], columns, facts=history.facts, source=history.source, notes=history.notes
    )
