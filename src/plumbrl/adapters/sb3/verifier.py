"""Receives snapshots of a training, applies the exact identities, and keeps what they say."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from plumbrl.adapters.sb3.learning import LearningWatch
from plumbrl.adapters.sb3.off_policy import OffPolicyWatch
from plumbrl.adapters.sb3.on_policy import OnPolicyWatch
from plumbrl.findings import Check, Evidence, Finding
from plumbrl.oracles import (
    Outcome,
    check_learning,
    check_off_policy_update,
    check_settings,
    check_update,
)
from plumbrl.snapshots import Learning, OnPolicyUpdate
from plumbrl.snapshots.off_policy import OffPolicyUpdate
from plumbrl.snapshots.settings import Settings

ORDER = {"failed": 0, "passed": 1, "inconclusive": 2, "skipped": 3}
LOOKS = {"rollout": 1, "learning": 2}
"""First updates that are recomputed; a rollout that was learned from before shows in the second."""
UNWATCHED = {
    "ARS": "it takes no gradient steps",
    "MaskablePPO": "its masks are not recorded",
    "RecurrentPPO": "its memory is not recorded",
}
"""Algorithms whose updates cannot be recomputed yet, and why."""


class Verifier:
    """What the identities say about one training; a check that is repeated keeps its worst.

    Args:
        keep: Called with each new finding and what it rests on: ``identity`` or ``settings``.

    Attributes:
        findings: One per cause, the first that was raised.
    """

    def __init__(self, keep: Callable[[Finding, str], object]) -> None:
        self._told = keep
        self._checks: dict[str, Check] = {}
        self._looks: dict[str, int] = {}
        self.findings: list[Finding] = []

    @property
    def checks(self) -> list[Check]:
        """Everything that was looked at."""
        return list(self._checks.values())

    def watches(self, model: Any) -> list[Any]:
        """Return the callbacks that show it the first updates of a model."""
        name = type(model).__name__
        if name in UNWATCHED:
            self._keep(Check("exact identities", "skipped", f"{name}: {UNWATCHED[name]}"))
            return []
        if hasattr(model, "replay_buffer"):
            return [OffPolicyWatch(self.off_policy)]
        return [
            OnPolicyWatch(self.rollout, updates=self._left("rollout")),
            LearningWatch(self.learning, updates=self._left("learning")),
        ]

    def _left(self, kind: str) -> int:
        """How often an earlier part of the run has left to look."""
        return max(0, LOOKS[kind] - self._looks.get(kind, 0))

    def rollout(self, update: OnPolicyUpdate) -> None:
        """Check a rollout before its first gradient step."""
        self._take("rollout", check_update, update)

    def learning(self, learning: Learning) -> None:
        """Check what an update made of its rollout."""
        self._take("learning", check_learning, learning)

    def off_policy(self, update: OffPolicyUpdate) -> None:
        """Check gradient steps on a replay buffer."""
        self._take("off_policy", check_off_policy_update, update)

    def settings(self, configured: Settings) -> None:
        """Check settings against each other."""
        self._take("settings", check_settings, configured)

    def save(self) -> dict[str, Any]:
        """Return everything in plain data."""
        return {
            "checks": [asdict(check) for check in self.checks],
            "findings": [asdict(finding) for finding in self.findings],
            "looks": dict(self._looks),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over what an earlier part of the run had seen."""
        self._checks = {check["name"]: Check(**check) for check in saved["checks"]}
        self._looks = dict(saved["looks"])
        self.findings = [
            Finding(**found | {"evidence": tuple(Evidence(**e) for e in found["evidence"])})
            for found in saved["findings"]
        ]

    def _take(self, kind: str, check_all: Callable[[Any], list[Outcome]], seen: Any) -> None:
        """Apply checks; an error of theirs ends in a line of the report, not the training."""
        self._looks[kind] = self._looks.get(kind, 0) + 1
        try:
            outcomes = check_all(seen)
        except Exception as error:
            said = f"checking failed: {type(error).__name__}: {error}"
            outcomes: list[Outcome] = [(Check(f"identities: {kind}", "inconclusive", said), None)]
        for check, finding in outcomes:
            self._keep(check)
            if finding and finding.cause not in [known.cause for known in self.findings]:
                self.findings.append(finding)
                by = "settings" if kind == "settings" else "identity"
                self._told(finding, by)

    def _keep(self, check: Check) -> None:
        known = self._checks.get(check.name)
        if known is None or ORDER[check.verdict] <= ORDER[known.verdict]:
            self._checks[check.name] = check
