"""Rewards as the environment gives them, between two rows."""

from typing import Any

import numpy as np

Numbers = dict[str, float]


class Rewards:
    """Whether rewards say anything; a buffer may hold values of cut episodes beside them.

    Args:
        seen: What an earlier part of the training saw since its last row.
    """

    def __init__(self, seen: tuple[float | None, bool, bool] | None = None) -> None:
        self._first, self._paid, self._varied = seen or (None, False, False)

    @property
    def seen(self) -> tuple[float | None, bool, bool]:
        """The first reward, whether any was not 0, and whether any differed from the first."""
        return self._first, self._paid, self._varied

    @property
    def numbers(self) -> Numbers:
        """For the row; nothing if no reward was seen."""
        if self._first is None:
            return {}
        return {
            "data/rewarded": float(self._paid),
            "data/reward_varies": float(self._varied),
        }

    def tell(self, rewards: Any) -> None:
        """Take the rewards of a step, (B,): next to nothing to do once one differs."""
        if rewards is None or (self._paid and self._varied):
            return
        if self._first is None:
            self._first = float(rewards[0])
        self._paid = self._paid or bool(np.any(rewards))
        self._varied = self._varied or bool(np.any(rewards != self._first))
