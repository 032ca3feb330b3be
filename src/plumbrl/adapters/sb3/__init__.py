"""Stable-Baselines3: from its buffers and updates to snapshots."""

from plumbrl.adapters.sb3.on_policy import OnPolicyWatch, snapshot

__all__ = ["OnPolicyWatch", "snapshot"]
