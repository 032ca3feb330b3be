"""What evaluations on held-out seeds say, beside random actions and classical controllers."""

from collections.abc import Sequence
from dataclasses import dataclass

from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence, Finding
from plumbrl.metrics.episodes import Evaluation
from plumbrl.metrics.statistics import Interval

BETTER = "better than random actions"
WORKS = "a classical controller is better than random actions"
BEST = "better than the best classical controller"


@dataclass(frozen=True)
class Evaluated:
    """What follows from evaluations.

    Attributes:
        learned: Whether the trained policy is better than random actions; None if unknown.
        converged: Whether it is not worse than the best baseline.
        findings: That follow.
        checks: What was compared.
    """

    learned: bool | None = None
    converged: bool = True
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()


def evaluated(evaluations: Sequence[Evaluation], step: int) -> Evaluated:
    """Compare the trained policy by the paired difference in return.

    Args:
        evaluations: The trained policy first, then baselines, then random actions; fewer than two
            say nothing.
        step: Timesteps of the training.
    """
    if len(evaluations) < 2:
        return Evaluated()
    trained, *baselines, chance = evaluations
    gain = trained.gain_over(chance)
    learned = gain.low > 0
    verdict = "passed" if learned else "failed"
    checks = [Check(BETTER, verdict, f"paired difference in return: {gain}")]
    best = max(baselines, key=lambda e: e.return_interval().estimate, default=None)
    if not learned:
        found = [_finding("task.no-better-than-random", gain, chance, step)]
        if best is not None:
            lead = best.gain_over(chance)
            works = lead.low > 0
            checks.append(Check(WORKS, "passed" if works else "failed", f"{best.policy}: {lead}"))
            if not works:
                found.insert(0, _finding("environment.baseline-fails", lead, chance, step))
        return Evaluated(False, True, tuple(found), tuple(checks))
    if best is None:
        return Evaluated(True, True, (), tuple(checks))
    margin = trained.gain_over(best)
    known = "passed" if margin.low > 0 else "failed" if margin.high < 0 else "inconclusive"
    checks.append(Check(BEST, known, f"difference in return to {best.policy}: {margin}"))
    below = (_finding("task.below-baseline", margin, best, step),) if known == "failed" else ()
    return Evaluated(True, not below, below, tuple(checks))


def _finding(cause: str, gain: Interval, other: Evaluation, step: int) -> Finding:
    where = f"evaluation on {len(other.seeds)} held-out seeds"
    evidence = (
        Evidence(f"difference in return to {other.policy}", gain.estimate, "above 0", "", where),
        Evidence("its 95 % interval, upper end", gain.high, "above 0", "", where),
    )
    return finding(cause, step=step, evidence=evidence, confidence=0.95)
