"""The columns of a `progress.csv` as curves over timesteps."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from plumbrl.errors import UserError, unknown
from plumbrl.runs.progress import read_progress

Array = np.ndarray
STEPS = "time/total_timesteps"


class Curves(Mapping[str, Array]):
    """The numbers of a run by SB3's keys, one per row; NaN where a row has none.

    Args:
        columns: Arrays of the same length.

    Attributes:
        steps: Timesteps of every row, (n,). A row without any, such as the last update's, is as
            old as the row before.
    """

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self._columns = dict(columns)
        self.steps = _filled(self._columns.get(STEPS, np.empty(0)))

    def __getitem__(self, key: str) -> Array:
        if key not in self._columns:
            raise unknown("column", key, self._columns)
        return self._columns[key]

    def __contains__(self, key: object) -> bool:
        return key in self._columns

    def __iter__(self):  # noqa: ANN204
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def points(self, key: str) -> tuple[Array, Array]:
        """Return timesteps and values of those rows that have the key; none if no row has."""
        if key not in self:
            return np.empty(0), np.empty(0)
        known = np.isfinite(self[key])
        return self.steps[known], self[key][known]

    def named(self, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix, such as ``reward/``."""
        return sorted(key for key in self if key.startswith(prefix))


def read_curves(path: Path) -> Curves:
    """Read the curves of a run folder, or of a `progress.csv` itself.

    Raises:
        UserError: There is no such file, or it holds no rows.
    """
    file = path / "progress.csv" if path.is_dir() else path
    try:
        keys, rows = read_progress(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read {file}: {getattr(error, 'strerror', error)}.") from None
    if not rows or STEPS not in keys:
        raise UserError(f"{file} holds no rows with {STEPS}.")
    return Curves({key: np.array([_number(row.get(key)) for row in rows]) for key in keys})


def _number(text: str | None) -> float:
    try:
        return float(text) if text else np.nan
    except ValueError:
        return np.nan


def _filled(steps: Array) -> Array:
    """Carry the last known number forward."""
    known = np.isfinite(steps)
    if not known.any():
        return steps
    last = np.maximum.accumulate(np.where(known, np.arange(len(steps)), 0))
    return steps[last]
