"""Batches of a hand-written loop against the steps that its environment made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from plumbrl.adapters.loop.batch import Batch
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, difference, found, passed

Array = np.ndarray
NAME = "batches against what happened"
TOLERANCE = 1e-5
"""Of rewards; float32 keeps seven digits."""
CHANGED = 0.6
"""Confidence in a changed reward: some loops mean it."""


class Happened:
    """Finds the steps that batches hold, by observation and action.

    Args:
        steps: Every step so far, as it grows; see `WatchedEnvironment.happened`.
    """

    def __init__(self, steps: Sequence[tuple[Any, ...]]) -> None:
        self._steps = steps
        self._index: dict[tuple[bytes, int], int] = {}
        self._shown: set[bytes] = set()
        self._known = 0

    def check(self, batch: Batch) -> Outcome:
        """Compare actions, rewards, next observations and terminal flags with the same steps'.

        Loops that change observations are not judged, nor those that sum rewards of several steps.
        """
        self._read()
        shown, given = _keys(batch.observations), _keys(batch.next_observations)
        actions = batch.actions.cpu().numpy()
        rows = np.array([
            self._index.get((key, int(action)), -1)
            for key, action in zip(shown, actions, strict=True)
        ])  # fmt: skip
        known = rows >= 0
        seen = np.array([key in self._shown for key in shown])
        if seen.mean() < 0.9:
            told = f"{seen.mean():.0%} of the observations are known from the environment"
            return Check(NAME, "inconclusive", told), None
        if (seen & ~known).mean() > 0.05:
            return _differs("data.wrong-replay-action", "actions", float((seen & ~known).mean()))
        steps = [self._steps[int(i)] for i in rows[known]]
        return _compared(batch, known, shown[known], given[known], steps)

    def _read(self) -> None:
        """Take what happened since the last time."""
        for i in range(self._known, len(self._steps)):
            key = _key(self._steps[i][0])
            self._index[key, int(self._steps[i][1])] = i
            self._shown.add(key)
        self._known = len(self._steps)


def _compared(
    batch: Batch, known: Array, shown: Array, given: Array, steps: list[tuple[Any, ...]]
) -> Outcome:
    """Compare the rows that are known with their steps."""
    same = [key == _key(step[3]) for key, step in zip(given, steps, strict=True)]
    following = float(np.mean(same))
    if following < 0.9 and (given == shown).mean() > 0.9:
        return _differs("data.observation-stored-as-next", "next observations", 1 - following)
    if following < 0.9:
        return Check(NAME, "inconclusive", "next observations are not those of one step"), None
    rewards, terminated, truncated = (np.array([step[k] for step in steps]) for k in (2, 4, 5))
    flags = _flags(batch.terminal[known] > 0, terminated, truncated)
    return flags or _rewards(batch.rewards[known], rewards)


def _flags(stored: Array, terminated: Array, truncated: Array) -> Outcome | None:
    wrong = float((stored != terminated).mean())
    if not wrong:
        return None
    if (stored == (terminated | truncated)).all():
        cause = "value.no-bootstrap-at-truncation"
    elif not stored.any():
        cause = "value.bootstrap-at-terminal"
    else:
        swapped = (stored == truncated).all()
        cause = "data.termination-and-truncation-swapped" if swapped else "data.wrong-episode-end"
    return _differs(cause, "terminal flags", wrong)


def _rewards(stored: Array, happened: Array) -> Outcome:
    gap = difference(stored, happened, TOLERANCE)
    if not gap.wrong.any():
        return passed(NAME, gap.wrong.size, gap.worst)
    cause = "data.wrong-reward"
    if (stored == -happened).all():
        cause = "data.reward-sign-flipped"
    elif (stored == np.sign(happened)).all() or (stored == np.clip(happened, -1, 1)).all():
        cause = "data.reward-clipped"
    check, named = _differs(cause, "rewards", gap.share, CHANGED)
    return check, named and replace(named, severity="warning")


def _differs(cause: str, what: str, share: float, confidence: float = 1.0) -> Outcome:
    told = f"{share:.1%} of the {what} are not those of the environment"
    wrong = Evidence(f"share of wrong {what}", share, "0")
    return found(NAME, cause, told, wrong, confidence=confidence)


def _keys(observations: Any) -> Array:
    """Return the bytes of each row, (n,)."""
    keys = np.empty(len(observations), dtype=object)
    keys[:] = [_key(row) for row in observations.detach().cpu().numpy()]
    return keys


def _key(observation: Any) -> bytes:
    return np.asarray(observation, dtype=np.float32).tobytes()
