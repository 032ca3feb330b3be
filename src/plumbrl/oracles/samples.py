"""What was drawn from the rollout: its rows as they are, each as often as configured."""

import numpy as np

from plumbrl.findings import Check
from plumbrl.oracles.compare import Array, Difference, Outcome, failed, skipped
from plumbrl.snapshots import Learning, Samples, fingerprint

FIELDS = ("observations", "actions", "log_probs", "values", "advantages", "returns")


def check_samples(learning: Learning) -> Outcome:
    """Look every drawn row up in the rollout, all its fields together."""
    name = "minibatches against the rollout"
    if reason := _why_not(learning):
        return skipped(name, reason)
    drawn = _drawn(learning)
    foreign = ~np.isin(_keys(drawn), _keys(learning.rollout))
    if not foreign.any():
        return Check(name, "passed", f"{foreign.size} rows"), None
    cause, what = _explain(learning, drawn, foreign)
    return _failed(learning, name, cause, foreign, what)


def check_coverage(learning: Learning) -> Outcome:
    """Count how often each sample was drawn: once in every epoch."""
    name = "every sample used once in every epoch"
    if reason := _why_not(learning) or learning.interrupted:
        return skipped(name, reason)
    keys, rows = np.unique(_keys(learning.rollout), return_counts=True)
    drawn = _keys(_drawn(learning))
    if not np.isin(drawn, keys).all():
        return skipped(name, "samples that are not of the rollout were drawn")
    uses = np.bincount(np.searchsorted(keys, drawn), minlength=len(keys))
    assert learning.n_epochs is not None  # or there was a reason not to look
    allowed = _epochs_allowed(learning, uses / rows)
    wrong = (uses < rows * allowed[0]) | (uses > rows * allowed[1])
    if not wrong.any():
        return Check(name, "passed", f"{uses.sum()} uses of {rows.sum()} samples"), None
    even = np.unique(uses / rows).size == 1
    cause = "configuration.n-epochs-ignored" if even else "data.samples-used-unevenly"
    return _failed(learning, name, cause, wrong, "numbers of uses", abs(uses - rows * allowed[0]))


def check_batch_sizes(learning: Learning) -> Outcome:
    """Look for minibatches of one sample among larger ones: their statistics are undefined."""
    name = "sizes of minibatches"
    if reason := _why_not(learning):
        return skipped(name, reason)
    sizes = np.array([len(batch.samples.returns) for batch in learning.minibatches])
    single = (sizes == 1) & (sizes.max() > 1)
    if not single.any():
        return Check(name, "passed", f"{sizes.min()} to {sizes.max()} samples"), None
    cause = "configuration.minibatch-of-one"
    return _failed(learning, name, cause, single, "minibatches", sizes.max() - sizes)


def check_questions(learning: Learning) -> Outcome:
    """The policy must be asked about the observations and actions that were drawn."""
    name = "what the policy is asked about"
    asked = [(b.samples, b.evaluation) for b in learning.minibatches if b.evaluation]
    if learning.unseen or learning.n_epochs is None or not asked:
        return skipped(name, _why_not(learning) or "the policy's answers were not seen")
    for field in ("observations", "actions"):
        wrong = np.concatenate([getattr(s, field) != getattr(e, field) for s, e in asked])
        if wrong.any():
            return _failed(learning, name, f"policy.other-{field}-in-loss", wrong, field)
    return Check(name, "passed", f"{sum(len(s.returns) for s, _ in asked)} rows"), None


def _why_not(learning: Learning) -> str:
    if learning.unseen:
        return learning.unseen
    if learning.n_epochs is None:
        return "how this algorithm draws minibatches is not known"
    return "" if learning.minibatches else "no minibatch was drawn from the rollout buffer"


def _failed(
    learning: Learning, name: str, cause: str, wrong: Array, what: str, by: Array | None = None
) -> Outcome:
    gap = Difference(wrong, float("nan") if by is None else float(by.max()))
    return failed(
        name, cause, gap, what=what, tolerance=0.0, step=learning.step, update=learning.update
    )


def _drawn(learning: Learning) -> Samples:
    parts = [batch.samples for batch in learning.minibatches]
    return Samples(*(np.concatenate([getattr(s, field) for s in parts]) for field in FIELDS))


def _field(samples: Samples, field: str) -> Array:
    values = getattr(samples, field)
    return values if values.dtype == np.uint64 else fingerprint(values)


def _keys(samples: Samples) -> Array:
    """One number per row, of all its fields."""
    weights = 2 * np.arange(len(FIELDS), dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    fields = [_field(samples, field) for field in FIELDS]
    mixed = (
        weight * (field ^ (field >> np.uint64(29)))
        for weight, field in zip(weights, fields, strict=True)
    )
    return np.asarray(np.sum(list(mixed), axis=0, dtype=np.uint64))


def _explain(learning: Learning, drawn: Samples, foreign: Array) -> tuple[str, str]:
    """Tell rows of another rollout from fields that were exchanged or altered."""
    before = learning.previous
    if before is not None and np.isin(_keys(drawn)[foreign], _keys(before)).all():
        return "data.stale-rollout", "drawn rows"
    altered = [
        field
        for field in FIELDS
        if not np.isin(_field(drawn, field), _field(learning.rollout, field)).all()
    ]
    if not altered:
        return "data.minibatch-shuffled", "drawn rows"
    return "data.minibatch-altered", f"drawn {' and '.join(altered)}"


def _epochs_allowed(learning: Learning, epochs: Array) -> tuple[float, float]:
    """Least and most uses per sample; a trainer that stopped early did so within one epoch."""
    full = learning.n_epochs or 0
    if not learning.stops_early:
        return full, full
    least = min(np.floor(epochs.min()), full)
    return least, min(least + 1, full)
