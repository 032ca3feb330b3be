"""Stored log-probabilities and values must be those of the policy that is about to be updated."""

from plumbrl.oracles.compare import Outcome, difference, failed, passed
from plumbrl.snapshots import OnPolicyUpdate

TOLERANCE = 1e-3
"""Largest difference that float32 can explain: forward passes in other batch shapes differ by
about 1e-6 per action dimension; 1e-3 would move the importance ratio by 0.1 %."""


def check_log_probs(update: OnPolicyUpdate) -> Outcome:
    """Compare stored with recomputed log-probabilities; a NaN on either side is a mismatch."""
    name = "log-probabilities recomputed before the first gradient step"
    gap = difference(update.log_probs, update.log_probs_now, TOLERANCE)
    if not gap.wrong.any():
        return passed(name, gap.wrong.size, gap.worst)
    return failed(
        name, "data.log-prob-mismatch", gap, what="log-probabilities", tolerance=TOLERANCE,
        step=update.step, update=update.update,
    )  # fmt: skip


def check_values(update: OnPolicyUpdate) -> Outcome:
    """Compare stored with recomputed value estimates."""
    name = "values recomputed before the first gradient step"
    gap = difference(update.values, update.values_now, TOLERANCE)
    if not gap.wrong.any():
        return passed(name, gap.wrong.size, gap.worst)
    return failed(
        name, "data.value-mismatch", gap, what="values", tolerance=TOLERANCE,
        step=update.step, update=update.update,
    )  # fmt: skip
