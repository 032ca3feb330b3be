"""Exact identities: what the trainer stored against what it must be. No threshold is tuned."""

from plumbrl.oracles.advantages import check_advantages
from plumbrl.oracles.compare import Outcome
from plumbrl.oracles.log_prob import check_log_probs, check_values
from plumbrl.oracles.transitions import check_transitions
from plumbrl.snapshots import OnPolicyUpdate

ON_POLICY = (check_transitions, check_log_probs, check_values, check_advantages)
"""In the order in which one fault causes the next: what was stored, then what was computed."""


def check_update(update: OnPolicyUpdate) -> list[Outcome]:
    """Apply every exact identity to a rollout; a NaN somewhere breaks none of them."""
    return [check(update) for check in ON_POLICY]


__all__ = [
    "ON_POLICY",
    "Outcome",
    "check_advantages",
    "check_log_probs",
    "check_transitions",
    "check_update",
    "check_values",
]
