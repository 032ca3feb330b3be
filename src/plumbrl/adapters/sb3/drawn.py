"""What a rollout holds, and what is drawn from it, one fingerprint or number per row and field."""

from itertools import islice
from typing import Any

import numpy as np
import torch

from plumbrl.adapters.torch_answers import rows_fingerprint
from plumbrl.adapters.torch_loss import flat
from plumbrl.snapshots import Samples

Array = np.ndarray
FIELDS = ("old_log_prob", "old_values", "advantages", "returns")
"""Of a minibatch of SB3, in the order of `Samples`."""
ENTRIES = 1 << 18
"""Numbers that wait at most."""


class Drawn:
    """Minibatches in the order in which they were drawn.

    A trainer may change what it has drawn, so copies are taken; they wait until there are many,
    for most of the time that a fingerprint of few rows takes does not depend on their number.
    """

    def __init__(self) -> None:
        self._done: list[Samples] = []
        self._waiting: list[tuple[Any, ...]] = []
        self._entries = 0

    def __len__(self) -> int:
        return len(self._done) + len(self._waiting)

    def add(self, batch: Any) -> None:
        """Copy a minibatch of SB3."""
        rest = [torch.as_tensor(getattr(batch, field)).reshape(-1) for field in FIELDS]
        sizes = [len(part) for part in rest]
        rows = _copy(batch.observations), _copy(batch.actions), torch.cat(rest).detach()
        self._waiting.append((*rows, sizes))
        self._entries += sum(part.numel() for copy in rows for part in _parts(copy))
        if self._entries >= ENTRIES:
            self._finish()

    def samples(self) -> list[Samples]:
        """Return what was drawn, one entry per minibatch."""
        self._finish()
        return self._done

    def _finish(self) -> None:
        waiting, self._waiting, self._entries = self._waiting, [], 0
        if waiting:
            observations, actions, rest, sizes = zip(*waiting, strict=True)
            ends = np.cumsum(np.concatenate(sizes))
            numbers = iter(np.split(flat(torch.cat(rest)), ends[:-1]))
            rows = zip(_fingerprints(observations), _fingerprints(actions), strict=True)
            self._done += [Samples(*pair, *islice(numbers, len(FIELDS))) for pair in rows]


def rollout_samples(buffer: Any) -> Samples:
    """Return the rows of a rollout buffer, (n,)."""
    axes = 1 if buffer.generator_ready else 2  # else it is not flattened yet
    fields = (buffer.log_probs, buffer.values, buffer.advantages, buffer.returns)
    return Samples(
        rows_fingerprint(buffer.observations, axes),
        rows_fingerprint(buffer.actions, axes),
        *(flat(torch.as_tensor(field)) for field in fields),
    )


def _fingerprints(copies: tuple[Any, ...]) -> list[Array]:
    """Take those of all copies at once, and return them for each."""
    ends = np.cumsum([len(next(iter(_parts(copy)))) for copy in copies])
    return np.split(rows_fingerprint(_joined(copies)), ends[:-1])


def _joined(copies: tuple[Any, ...]) -> Any:
    if isinstance(copies[0], dict):
        return {key: torch.cat([copy[key] for copy in copies]) for key in copies[0]}
    return torch.cat(copies)


def _parts(rows: Any) -> Any:
    return rows.values() if isinstance(rows, dict) else (rows,)


def _copy(rows: Any) -> Any:
    if isinstance(rows, dict):
        return {key: _copy(part) for key, part in rows.items()}
    return torch.as_tensor(rows).detach().clone()
