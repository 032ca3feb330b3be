"""Scaling there and back must give what one began with."""

from plumbrl.oracles.compare import Outcome, difference, failed, passed, skipped
from plumbrl.snapshots.off_policy import OffPolicyUpdate

TOLERANCE = 1e-5
"""Of the span of actions, or of the normaliser's scale; float32 rounding gives about 1e-6."""


def check_round_trips(update: OffPolicyUpdate) -> Outcome:
    """Compare actions and observations with themselves, scaled and scaled back."""
    name = "scaling there and back"
    if not update.round_trips:
        return skipped(name, update.unseen or "nothing is scaled")
    gaps = {
        k: difference(back, there, TOLERANCE) for k, (back, there) in update.round_trips.items()
    }
    for what, gap in gaps.items():
        if gap.wrong.any():
            observed = "observations" in what
            cause = (
                "data.normaliser-not-inverted" if observed else "policy.action-scale-not-inverted"
            )
            return failed(
                name, cause, gap, what=what, tolerance=TOLERANCE, step=update.step,
                update=update.update,
            )  # fmt: skip
    worst = max(gap.worst for gap in gaps.values())
    return passed(name, sum(gap.wrong.size for gap in gaps.values()), worst)
