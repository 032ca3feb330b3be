"""What adapters hand over: arrays with documented shapes, nothing of the trainer's own types."""

from plumbrl.snapshots.on_policy import OnPolicyUpdate, Recorded

__all__ = ["OnPolicyUpdate", "Recorded"]
