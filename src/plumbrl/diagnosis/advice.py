"""What to do now: bugs before hyper-parameters."""

from collections.abc import Sequence

from plumbrl.findings import Check, Finding, RunVerdict
from plumbrl.shipped import table as shipped_table

PROBED = ("PPO", "A2C", "SAC", "TD3", "DQN")
"""Algorithms that `plumbrl probe` knows by name."""
ENOUGH = 5
"""Exact checks that must have passed, and none failed, for bugs in the trainer to be ruled out."""
SYMPTOMS = {"NOT_LEARNING": "no gain", "NOT_EXPLORING": "no gain", "UNHEALTHY": "unstable",
            "OVERFITTING": "overfitting"}  # fmt: skip


def next_step(
    verdict: RunVerdict,
    told: Sequence[Finding],
    checks: Sequence[Check],
    subject: str,
    algo: str | None,
) -> str:
    """Return the next step, best a command.

    Args:
        verdict: On the run.
        told: Findings, the first to be mended first.
        checks: Exact ones; without any, bugs are not ruled out.
        subject: Path of the run.
        algo: Its algorithm.
    """
    probe = f"plumbrl probe --algo {f'sb3:{algo}' if algo in PROBED else 'MODULE:NAME'}"
    if verdict == "HEALTHY":
        return f"plumbrl evaluate {subject}"
    if verdict == "BROKEN":
        return f"Mend the first finding, then: {probe}"
    if verdict == "INCONCLUSIVE":
        return "Log returns (rollout/ep_rew_mean), or train under watch: plumbrl train CONFIG"
    if verdict == "NOT_CONVERGED":
        return f"Train longer: plumbrl train --resume {subject} --total_timesteps MORE"
    changes = (told[0].change if told else {}) or tuning(verdict)
    said = ", ".join(f"{key}: {value}" for key, value in changes.items())
    if ruled_out(checks):
        return f"No bug was found in the trainer; change one at a time: {said}"
    return f"Rule out bugs first: {probe}" + (
        f"; then change one at a time: {said}" if said else ""
    )


def ruled_out(checks: Sequence[Check]) -> bool:
    """Return whether exact checks speak for the trainer."""
    passed = sum(check.verdict == "passed" for check in checks)
    return passed >= ENOUGH and not any(check.verdict == "failed" for check in checks)


def tuning(verdict: RunVerdict) -> dict[str, str]:
    """Return settings to try for the symptom of a verdict."""
    return dict(
        shipped_table("plumbrl.diagnosis", "tuning.yaml").get(SYMPTOMS.get(verdict, ""), {})
    )
