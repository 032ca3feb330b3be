"""What adapters hand over: arrays with documented shapes, nothing of the trainer's own types."""

from plumbrl.snapshots.learning import (
    Broadcast,
    Evaluation,
    Learning,
    Minibatch,
    Objective,
    OptimiserStep,
    ParameterChange,
    Samples,
    fingerprint,
)
from plumbrl.snapshots.off_policy import OffPolicyUpdate
from plumbrl.snapshots.on_policy import OnPolicyUpdate, Recorded
from plumbrl.snapshots.settings import Normaliser, Settings
from plumbrl.snapshots.shaping import ShapingRollout

__all__ = [
    "Broadcast",
    "Evaluation",
    "Learning",
    "Minibatch",
    "Normaliser",
    "Objective",
    "OffPolicyUpdate",
    "OnPolicyUpdate",
    "OptimiserStep",
    "ParameterChange",
    "Recorded",
    "Samples",
    "Settings",
    "ShapingRollout",
    "fingerprint",
]
