"""A batch must consist of rows that the replay buffer holds."""

from collections.abc import Iterator

import numpy as np

from plumbrl.oracles.compare import (
    Array,
    Difference,
    Outcome,
    difference,
    failed,
    passed,
    skipped,
)
from plumbrl.snapshots.off_policy import OffPolicyUpdate
from plumbrl.snapshots.replay import DrawnRows

TOLERANCE = 1e-6
"""Of rewards; drawing is copying, and everything else must be equal."""


def check_batches(update: OffPolicyUpdate) -> Outcome:
    """Compare every row of the batches with those that its index stands for, field by field.

    A mismatch is explained, if possible, by the one change of a field that reproduces it.
    """
    name = "batches against the replay buffer"
    seen = [step.batch for step in update.gradient_steps if step.batch is not None]
    if not seen:
        return skipped(name, update.unseen or "rows were not seen, or a batch is more than rows")
    wrong = _wrong(seen)
    if not wrong.any():
        return passed(name, wrong.size, 0.0)
    suspects = zip(*(_suspects(batch) for batch in seen), strict=True)
    fits = (s[0][0] for s in suspects if not _wrong([batch for _, batch in s]).any())
    return failed(
        name, next(fits, _mixed(seen)), Difference(wrong, float("nan")), what="rows",
        tolerance=TOLERANCE, step=update.step, update=update.update,
    )  # fmt: skip


def _wrong(batches: list[DrawnRows]) -> Array:
    return np.concatenate([~np.all(_agreeing(b), axis=0).any(axis=1) for b in batches])


def _agreeing(b: DrawnRows) -> list[Array]:
    """Return for each field where it is that of the row in an environment, (n, B)."""
    equal = [ours[:, None] == theirs for ours, theirs in zip(b.drawn, b.held, strict=True)]
    for ours, theirs in ((b.drawn_rewards, b.held_rewards), (b.drawn_dones, b.held_dones)):
        equal.append(
            ~difference(np.broadcast_to(ours[:, None], theirs.shape), theirs, TOLERANCE).wrong
        )
    return equal


def _suspects(b: DrawnRows) -> Iterator[tuple[str, DrawnRows]]:
    """Yield causes with a buffer that would give what was drawn."""
    first, following, actions = b.held

    def of(
        held: tuple[Array, ...] = b.held,
        rewards: Array = b.held_rewards,
        dones: Array = b.held_dones,
    ) -> DrawnRows:
        return DrawnRows(b.drawn, held, b.drawn_rewards, rewards, b.drawn_dones, dones, b.ended)

    yield "value.no-bootstrap-at-truncation", of(dones=b.ended)
    yield "value.bootstrap-at-terminal", of(dones=np.zeros_like(b.ended))
    yield "data.next-observation-stored", of((following, following, actions))
    yield "data.observation-stored-as-next", of((first, first, actions))
    yield "data.next-observation-stored", of((following, first, actions))
    yield "data.reward-sign-flipped", of(rewards=-b.held_rewards)
    yield "data.reward-clipped", of(rewards=np.sign(b.held_rewards))


def _mixed(batches: list[DrawnRows]) -> str:
    """Tell rows that are mixed up from rows that are not there at all."""
    fields = [agree.any(axis=1) for b in batches for agree in _agreeing(b)]
    inside = [
        np.isin(ours, theirs) for b in batches for ours, theirs in zip(b.drawn, b.held, strict=True)
    ]
    alone = all(there.all() for there in inside)
    return (
        "data.minibatch-shuffled"
        if alone and not all(f.all() for f in fields)
        else "data.minibatch-altered"
    )
