"""Episodes that ended last: told by who knows them, or taken from rewards."""

from collections import deque
from typing import Any

import numpy as np

from plumbrl.adapters.loop.arrays import array
from plumbrl.errors import UserError

Array = np.ndarray
LAST = 100
"""Ended episodes that a row is about, as in SB3."""
State = tuple[list[tuple[float, float]], tuple[list[float], list[float]] | None]


class Episodes:
    """Returns and lengths of the episodes that ended last.

    Args:
        saved: What `state` returned in an earlier part of a training.
    """

    def __init__(self, saved: State | None = None) -> None:
        ended, going = saved or ([], None)
        self._ended: deque[tuple[float, float]] = deque(ended, LAST)
        self._told = False
        self._open = None if going is None else (np.array(going[0]), np.array(going[1]))

    @property
    def state(self) -> State:
        """What a resumed training needs, plain data: episodes that ended, sums of the others."""
        going = self._open and (self._open[0].tolist(), self._open[1].tolist())
        return list(self._ended), going

    def tell(self, returns: Any, lengths: Any = None) -> None:
        """Take episodes as somebody knows them; nothing is taken from rewards from then on.

        Raises:
            UserError: There are more of the one than of the other.
        """
        first = array("returns", returns).ravel()
        second = np.full(len(first), np.nan) if lengths is None else array("lengths", lengths)
        if second.size != len(first):
            raise UserError(f"There are {len(first)} returns, but {second.size} lengths.")
        if not self._told:
            self._ended.clear()
        self._told = True
        self._ended.extend(zip(first.tolist(), second.ravel().tolist(), strict=True))

    def take(self, rewards: Array, ends: Array, valid: Array | None = None) -> None:
        """Take a rollout, (T, B) each; episodes go on from the rollout before.

        Args:
            rewards: As the loop has them.
            ends: Whether step t was the last of its episode.
            valid: Steps that were made at all; None for every one.
        """
        if self._told:
            return
        count = np.ones_like(rewards) if valid is None else (valid > 0).astype(np.float64)
        ends = ends & (count > 0)
        parts = np.stack([np.where(count > 0, rewards, 0.0), count])
        if self._open is None or self._open[0].shape != rewards.shape[1:]:
            self._open = (np.zeros(rewards.shape[1]), np.zeros(rewards.shape[1]))
        known = [_sums(part, ends, began) for part, began in zip(parts, self._open, strict=True)]
        self._open = (known[0][1], known[1][1])
        self._ended.extend(zip(known[0][0].tolist(), known[1][0].tolist(), strict=True))

    def numbers(self) -> dict[str, float]:
        """Return mean and spread of the last episodes; nothing before the first has ended."""
        if not self._ended:
            return {}
        returns, lengths = (np.array(part) for part in zip(*self._ended, strict=True))
        found = {
            "rollout/ep_rew_mean": float(returns.mean()),
            "rollout/ep_rew_std": float(returns.std()),
        }
        lengths = lengths[np.isfinite(lengths)]
        if len(lengths):
            found |= {
                "rollout/ep_len_mean": float(lengths.mean()),
                "rollout/ep_len_std": float(lengths.std()),
                "rollout/ep_len_min": float(lengths.min()),
                "rollout/ep_len_max": float(lengths.max()),
            }
        return found


def _sums(part: Array, ends: Array, began: Array) -> tuple[Array, Array]:
    """Return the sum over every episode that ends, by time, and over those that go on, (B,)."""
    totals = np.cumsum(part, axis=0) + began
    b, t = np.nonzero(ends.T)
    before = np.zeros(len(t))
    same = b[1:] == b[:-1]
    before[1:][same] = totals[t[:-1], b[:-1]][same]
    rest = totals[-1].copy()
    last = np.append(~same, True) if len(t) else np.zeros(0, dtype=bool)
    rest[b[last]] -= totals[t[last], b[last]]
    return (totals[t, b] - before)[np.argsort(t, kind="stable")], rest
