"""What to do now: bugs before hyper-parameters."""

from collections.abc import Sequence
from pathlib import Path

from plumbrl.findings import Check, Finding, RunVerdict
from plumbrl.history import Facts
from plumbrl.shipped import table as shipped_table

PROBED = ("PPO", "A2C", "SAC", "TD3", "DQN")
"""Algorithms that `plumbrl probe` knows by name."""
ENOUGH = 5
"""Exact checks that must have passed, and none failed, for bugs in the trainer to be ruled out."""
SYMPTOMS = {"NOT_LEARNING": "no gain", "NOT_EXPLORING": "no gain", "UNHEALTHY": "unstable",
            "OVERFITTING": "overfitting"}  # fmt: skip
ROOM = {"learning_rate": 1e-4, "ent_coef": 0.005, "clip_range": 0.1}
"""Settings that may be raised as far as the published guide does only from below these values."""


def next_step(
    verdict: RunVerdict,
    told: Sequence[Finding],
    checks: Sequence[Check],
    subject: str,
    facts: Facts,
) -> str:
    """Return the next step, best a command; empty where there is none to suggest.

    Args:
        verdict: On the run.
        told: Findings, the first to be mended first.
        checks: Exact ones; without any, bugs are not ruled out.
        subject: Path of the run.
        facts: About it.
    """
    ours = (Path(subject) / "config.yaml").is_file()
    named = f"sb3:{facts.algo}" if facts.algo in PROBED else "MODULE:NAME"
    probe = f"plumbrl probe --algo {named}"
    if verdict == "HEALTHY":
        return f"plumbrl evaluate {subject}" if ours else ""
    if verdict == "BROKEN":
        return f"Mend the first finding, then: {probe}"
    if verdict == "INCONCLUSIVE":
        return "Too little is logged to judge; train longer, or under watch: plumbrl train CONFIG"
    if verdict == "NOT_CONVERGED":
        resume = f": plumbrl train --resume {subject} --total_timesteps MORE" if ours else ""
        return f"Train longer{resume}"
    said = _changes(verdict, told, facts)
    if ruled_out(checks):
        found = "No bug was found in the trainer; mend the first finding"
        return f"No bug was found in the trainer; change one at a time: {said}" if said else found
    then = f"; then change one at a time: {said}" if said else ""
    return f"Rule out bugs first: {probe}{then}"


def ruled_out(checks: Sequence[Check]) -> bool:
    """Return whether exact checks speak for the trainer."""
    passed = sum(check.verdict == "passed" for check in checks)
    return passed >= ENOUGH and not any(check.verdict == "failed" for check in checks)


def tuning(verdict: RunVerdict, facts: Facts) -> dict[str, str]:
    """Return settings to try for the symptom of a verdict: those the run has, with room to move."""
    settings = shipped_table("plumbrl.diagnosis", "tuning.yaml").get(SYMPTOMS.get(verdict, ""), {})
    return {key: change for key, change in settings.items() if _has_room(key, change, facts)}


def _has_room(key: str, change: str, facts: Facts) -> bool:
    """Without the value, nothing is known about the direction it should go."""
    if key not in ROOM:
        return facts.algo in ("PPO", "A2C")
    value = getattr(facts, key)
    factor = float(change.removeprefix("x "))
    return value is not None and (factor < 1 or value <= ROOM[key])


def _changes(verdict: RunVerdict, told: Sequence[Finding], facts: Facts) -> str:
    """The first finding's own changes; the guide's only where nothing else was found."""
    causes = [f for f in told if f.severity != "info" and not f.cause.startswith("task.")]
    changes = causes[0].change if causes else tuning(verdict, facts)
    return ", ".join(f"{key}: {value}" for key, value in changes.items())
