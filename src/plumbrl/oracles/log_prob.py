"""Stored log-probabilities and values must be those of the policy that is about to be updated."""

from plumbrl.oracles.compare import Array, Outcome, difference, failed, passed
from plumbrl.snapshots import OnPolicyUpdate

TOLERANCE = 1e-3
"""Largest difference that float32 can explain: forward passes in other batch shapes differ by
about 1e-6 per action dimension; 1e-3 would move the importance ratio by 0.1 %."""


def check_log_probs(update: OnPolicyUpdate) -> Outcome:
    """Compare stored with recomputed log-probabilities; a NaN on either side is a mismatch."""
    cause = "data.log-prob-mismatch"
    return _check(update, "log-probabilities", cause, update.log_probs, update.log_probs_now)


def check_values(update: OnPolicyUpdate) -> Outcome:
    """Compare stored with recomputed value estimates; a NaN on either side is a mismatch."""
    return _check(update, "values", "data.value-mismatch", update.values, update.values_now)


def _check(update: OnPolicyUpdate, what: str, cause: str, stored: Array, now: Array) -> Outcome:
    name = f"{what} recomputed before the first gradient step"
    gap = difference(stored, now, TOLERANCE)
    if not gap.wrong.any():
        return passed(name, gap.wrong.size, gap.worst)
    return failed(
        name, cause, gap, what=what, tolerance=TOLERANCE, step=update.step, update=update.update
    )
