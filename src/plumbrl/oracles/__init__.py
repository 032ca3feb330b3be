"""Exact identities: what the trainer stored against what it must be. No threshold is tuned."""

from plumbrl.oracles.advantages import check_advantages
from plumbrl.oracles.compare import Outcome
from plumbrl.oracles.gradients import (
    check_clipping,
    check_gradients,
    check_operands,
    check_parameters,
    check_step_size,
)
from plumbrl.oracles.log_prob import check_log_probs, check_values
from plumbrl.oracles.losses import (
    check_entropy_bonus,
    check_loss,
    check_policy_loss,
    check_value_loss,
)
from plumbrl.oracles.off_policy import OFF_POLICY, check_off_policy_update
from plumbrl.oracles.samples import (
    check_batch_sizes,
    check_coverage,
    check_questions,
    check_samples,
)
from plumbrl.oracles.settings import check_settings
from plumbrl.oracles.shaping import check_shaping
from plumbrl.oracles.transitions import check_transitions
from plumbrl.snapshots import Learning, OnPolicyUpdate

ON_POLICY = (check_transitions, check_log_probs, check_values, check_advantages)
"""In the order in which one fault causes the next: what was stored, then what was computed."""

LEARNING = (
    check_samples,
    check_coverage,
    check_questions,
    check_operands,
    check_policy_loss,
    check_value_loss,
    check_entropy_bonus,
    check_loss,
    check_gradients,
    check_clipping,
    check_step_size,
    check_parameters,
    check_batch_sizes,
)
"""In that order too: what was drawn, the loss made of it, what the optimiser made of the loss."""


def check_update(update: OnPolicyUpdate) -> list[Outcome]:
    """Apply every exact identity to a rollout; a NaN somewhere breaks none of them."""
    return [check(update) for check in ON_POLICY]


def check_learning(learning: Learning) -> list[Outcome]:
    """Apply every exact identity between the rollout and the changed weights of one update."""
    return [check(learning) for check in LEARNING]


__all__ = [
    "LEARNING",
    "OFF_POLICY",
    "ON_POLICY",
    "Outcome",
    "check_advantages",
    "check_learning",
    "check_log_probs",
    "check_off_policy_update",
    "check_settings",
    "check_shaping",
    "check_transitions",
    "check_update",
    "check_values",
]
