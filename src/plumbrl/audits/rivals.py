"""Findings as a whole: causes that look alike are equally sure, and changes fit the environment."""

from dataclasses import replace

from plumbrl.audits.environment.mapping import EITHER, NAME
from plumbrl.audits.reward.direction import FLIPPED, SIGN
from plumbrl.findings import Finding
from plumbrl.oracles.compare import Outcome


def even(outcomes: list[Outcome]) -> list[Outcome]:
    """Return the outcomes; a flipped reward is no surer than the actions that explain as much.

    Where an oracle returns less, and more with its actions turned round, a wrong sign of the reward
    and one of the actions look the same as long as only returns speak.

    Args:
        outcomes: Of all tiers.
    """
    actions = [f for check, f in outcomes if f and check.name == NAME]
    if not any(finding.confidence == EITHER for finding in actions):
        return outcomes
    return [
        (check, replace(finding, confidence=EITHER))
        if finding and check.name == SIGN and finding.cause == FLIPPED
        else (check, finding)
        for check, finding in outcomes
    ]


def fitting(finding: Finding, name: str) -> Finding:
    """Return the finding without arguments that only the ballbot has, for other environments.

    Args:
        finding: Any.
        name: Of the environment.
    """
    if "ballbot" in name.lower():
        return finding
    kept = {key: to for key, to in finding.change.items() if not key.startswith("env.kwargs.")}
    return replace(finding, change=kept)
