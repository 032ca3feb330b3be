"""Exact identities: what the trainer stored against what it must be. No threshold is tuned."""

from plumbrl.oracles.log_prob import check_log_probs

__all__ = ["check_log_probs"]
