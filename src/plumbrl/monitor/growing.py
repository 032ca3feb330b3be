"""Columns that grow by rows, and can be looked at as a history at any time."""

from collections.abc import Mapping

import numpy as np

from plumbrl.history import Facts, History

Array = np.ndarray
FIRST_CAPACITY = 256


class GrowingHistory:
    """A history that is being written; looking at it copies nothing.

    Args:
        facts: What else is known about the run.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._columns: dict[str, Array] = {}
        self._steps = np.zeros(FIRST_CAPACITY)
        self._rows = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    def append(self, step: float, numbers: Mapping[str, float]) -> None:
        """Add a row; a new name becomes a column that is NaN in the rows before."""
        if self._rows == len(self._steps):
            self._grow()
        for key in numbers.keys() - self._columns.keys():
            self._columns[key] = np.full(len(self._steps), np.nan)
        self._steps[self._rows] = step
        for key, number in numbers.items():
            self._columns[key][self._rows] = number
        self._rows += 1

    def view(self) -> History:
        """Return the history up to now."""
        n = self._rows
        columns = {key: column[:n] for key, column in self._columns.items()}
        return History(self._steps[:n], columns, facts=self.facts)

    def _grow(self) -> None:
        more = np.full(len(self._steps), np.nan)
        self._steps = np.concatenate([self._steps, more])
        self._columns = {k: np.concatenate([c, more]) for k, c in self._columns.items()}
