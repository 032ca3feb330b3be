"""Stable-Baselines3: from its buffers and updates to snapshots."""

from plumbrl.adapters.sb3.learning import LearningWatch
from plumbrl.adapters.sb3.off_policy import OffPolicyWatch
from plumbrl.adapters.sb3.on_policy import OnPolicyWatch, snapshot

__all__ = ["LearningWatch", "OffPolicyWatch", "OnPolicyWatch", "snapshot"]
