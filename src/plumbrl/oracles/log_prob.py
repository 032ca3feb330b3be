"""Stored log-probabilities must be those of the policy that is about to be updated."""

import numpy as np

from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence, Finding
from plumbrl.snapshots import OnPolicyUpdate

TOLERANCE = 1e-3
"""Largest difference that float32 can explain: forward passes in other batch shapes differ by
about 1e-6 per action dimension; 1e-3 would move the importance ratio by 0.1 %."""


def check_log_probs(update: OnPolicyUpdate) -> tuple[Check, Finding | None]:
    """Compare stored with recomputed log-probabilities.

    A NaN or an infinity on either side counts as a mismatch.

    Returns:
        The check, and a finding if it failed.
    """
    name = "log-probabilities recomputed before the first gradient step"
    with np.errstate(invalid="ignore"):  # infinity minus infinity is a mismatch too
        gap = np.abs(update.log_probs_now - update.log_probs)
    wrong = ~(gap <= TOLERANCE * np.maximum(1.0, np.abs(update.log_probs)))
    wrong |= ~np.isfinite(update.log_probs)
    worst = float(np.nanmax(gap)) if np.isfinite(gap).any() else float("nan")
    if not wrong.any():
        return Check(name, "passed", f"{gap.size} compared, largest difference {worst:.1e}"), None
    share = float(wrong.mean())
    reason = f"{share:.1%} of {gap.size} differ, largest difference {worst:.3g}"
    where = f"rollout of update {update.update}"
    evidence = (
        Evidence("share of mismatched log-probabilities", share, "0", "", where),
        Evidence("largest difference", worst, f"at most {TOLERANCE:g}", "nat", where),
    )
    return Check(name, "failed", reason), finding(
        "data.log-prob-mismatch", step=update.step, evidence=evidence
    )
