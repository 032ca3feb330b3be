"""From checks and evaluations to the verdict on a run."""

from pathlib import Path

from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence, Finding, Report, RunVerdict
from plumbrl.metrics.episodes import Evaluation
from plumbrl.metrics.statistics import Interval
from plumbrl.training.config import TrainConfig


def judge(
    config: TrainConfig,
    path: Path,
    checks: list[Check],
    findings: list[Finding],
    evaluations: list[Evaluation],
) -> Report:
    """Return the report of a run.

    A broken identity means BROKEN whatever the return. Otherwise the trained policy is compared
    with random actions, then with the best baseline, by the paired difference in return.

    Args:
        config: The training.
        path: The run folder.
        checks: What the oracles looked at.
        findings: What they found.
        evaluations: The trained policy first, then baselines, then random actions.
    """
    trained, *baselines, chance = evaluations
    step = config.total_timesteps
    checks, findings = list(checks), list(findings)
    broken = any(found.severity == "error" for found in findings)
    gain = trained.gain_over(chance)
    learned = gain.low > 0
    checks.append(_check("better than random actions", learned, gain))
    if not learned:
        findings.append(_finding("task.no-better-than-random", gain, chance, step))
    verdict: RunVerdict = "HEALTHY" if learned else "NOT_LEARNING"
    if learned and baselines:
        best = max(baselines, key=lambda e: e.return_interval().estimate)
        margin = trained.gain_over(best)
        reason = f"difference in return to {best.policy}: {margin}"
        known = "passed" if margin.low > 0 else "failed" if margin.high < 0 else "inconclusive"
        checks.append(Check("better than the best classical controller", known, reason))
        if known == "failed":
            findings.append(_finding("task.below-baseline", margin, best, step))
            verdict = "NOT_CONVERGED"
    return Report(str(path), "BROKEN" if broken else verdict, tuple(findings), tuple(checks))


def _check(name: str, passed: bool, gain: Interval) -> Check:
    return Check(name, "passed" if passed else "failed", f"paired difference in return: {gain}")


def _finding(cause: str, gain: Interval, other: Evaluation, step: int) -> Finding:
    where = f"evaluation on {len(other.seeds)} held-out seeds"
    evidence = (
        Evidence(f"difference in return to {other.policy}", gain.estimate, "above 0", "", where),
        Evidence("its 95 % interval, upper end", gain.high, "above 0", "", where),
    )
    return finding(cause, step=step, evidence=evidence, confidence=0.95)
