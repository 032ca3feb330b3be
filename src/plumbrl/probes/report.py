"""From probed to report: identities first, then the mistake that explains the failures best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence, Finding, Report, RunVerdict
from plumbrl.probes.fitted import measured_gamma, measured_lambda
from plumbrl.probes.localise import Ranked, by_component, localise
from plumbrl.probes.measure import fits
from plumbrl.probes.problem import Problem
from plumbrl.probes.suite import Probed
from plumbrl.probes.trial import LOOKED_AT, Trial

SHOWN = 3
"""Probable mistakes that become findings."""
WORTH = 0.1
"""Smallest probability of a mistake that becomes a finding."""


@dataclass(frozen=True)
class ProbeReport(Report):
    """What the probes say of a trainer.

    Attributes:
        probes: One row per probe: its verdict, what was asked, the answers' band over seeds.
        ranked: Mistakes by probability, if a probe failed.
        components: Probability of each component, if a probe failed.
        effective: Discount factor and lambda that the trainer's values show; absent if unmeasured.
    """

    probes: tuple[dict[str, Any], ...] = ()
    ranked: tuple[Ranked, ...] = ()
    components: tuple[tuple[str, float], ...] = ()
    effective: tuple[tuple[str, float], ...] = ()

    @property
    def exit_code(self) -> int:
        """3 when something failed, or could not be decided; else 0."""
        return 3 if self.verdict == "INCONCLUSIVE" else super().exit_code


def report(subject: str, probed: Sequence[Probed]) -> ProbeReport:
    """Return the report on a trainer.

    Args:
        subject: Its name.
        probed: What became of each probe.
    """
    trials = [(p.problem, t) for p in probed for t in p.trials if t.verdict == p.verdict]
    exact, identities = _identities(probed)
    ranked = localise(trials, [c.name for c in identities if c.verdict == "passed"])
    probable = [_finding(r, trials) for r in ranked[:SHOWN] if r.probability >= WORTH]
    certain = any(found.severity == "error" for found in exact)
    findings = exact if certain else [*probable, *exact]
    checks = [_check(p) for p in probed]
    return ProbeReport(
        subject, _verdict(probed, exact), tuple(findings), (*checks, *identities),
        probes=tuple(_row(p) for p in probed), ranked=tuple(ranked),
        components=tuple(by_component(ranked).items()), effective=_effective(trials),
    )  # fmt: skip


def _verdict(probed: Sequence[Probed], exact: list[Finding]) -> RunVerdict:
    verdicts = [p.verdict for p in probed]
    if "failed" in verdicts or any(found.severity == "error" for found in exact):
        return "BROKEN"
    if exact:
        return "UNHEALTHY"
    return "HEALTHY" if "passed" in verdicts and "inconclusive" not in verdicts else "INCONCLUSIVE"


def _effective(trials: list[tuple[Problem, Trial]]) -> tuple[tuple[str, float], ...]:
    named = {"gamma": measured_gamma(trials), "gae_lambda": measured_lambda(trials)}
    return tuple((name, value) for name, value in named.items() if value is not None)


def _identities(probed: Sequence[Probed]) -> tuple[list[Finding], list[Check]]:
    """Return each broken identity once, and each identity with how often it held."""
    outcomes = [o for p in probed for t in p.trials for o in t.identities]
    findings = {found.cause: found for _, found in reversed(outcomes) if found}
    checks = []
    for name in dict.fromkeys(check.name for check, _ in outcomes):
        same = [check for check, _ in outcomes if check.name == name]
        counted = [check for check in same if check.verdict != "skipped"]
        broken = [check for check in counted if check.verdict == "failed"]
        if broken:
            reason = f"broken in {len(broken)} of {len(counted)}: {broken[0].reason}"
            checks.append(Check(name, "failed", reason))
        elif counted:
            checks.append(Check(name, "passed", f"held, {len(counted)} looked at"))
        else:
            checks.append(Check(name, "skipped", same[0].reason))
    watchable = any(t.watchable for p in probed for t in p.trials)
    if watchable and all(p.problem.name != LOOKED_AT for p in probed):
        reason = f"looked at in the probe {LOOKED_AT!r} only, which was not asked for"
        checks.append(Check("identities of the updates", "skipped", reason))
    return list(findings.values())[::-1], checks


def _check(probed: Probed) -> Check:
    name = f"probe {probed.problem.name} ({probed.problem.kind})"
    if probed.verdict in ("passed", "failed"):
        word = "decided after" if probed.verdict == "passed" else "gave up after"
        reason = f"{word} {probed.timesteps} timesteps, {probed.seconds:.1f} s"
        return Check(name, probed.verdict, reason)
    return Check(name, probed.verdict, probed.reason or "seeds disagree")


def _finding(ranked: Ranked, trials: list[tuple[Problem, Trial]]) -> Finding:
    """Return the finding of a probable mistake, with an answer it explains as evidence."""
    told = [e for p, t in trials if p.name in ranked.explains for e in _evidence(p, t)]
    some = told or [e for p, t in trials for e in _evidence(p, t)]
    step = next((t.timesteps for p, t in trials if t.verdict == "failed"), 0)
    return finding(ranked.cause, step=step, evidence=tuple(some[:3]), confidence=ranked.probability)


def _evidence(problem: Problem, trial: Trial) -> list[Evidence]:
    """Return the answer furthest from right of each question that was answered wrongly."""
    found = []
    for question, given, right in zip(trial.asked, trial.given, trial.right, strict=True):
        if trial.verdict == "failed" and not fits(problem, question, given, right):
            gaps = np.abs(given - right).reshape(len(given), -1).max(axis=1)
            worst = int(np.argmax(np.nan_to_num(gaps, nan=np.inf)))
            value, expected = np.ravel(given[worst])[0], np.ravel(right[worst])[0]
            name = question.about(worst)
            where = f"probe {problem.name!r}, seed {trial.seed}"
            found.append(Evidence(name, float(value), f"{expected:.3g}", "", where))
    return found


def _row(probed: Probed) -> dict[str, Any]:
    return {
        "probe": probed.problem.name,
        "actions": probed.problem.kind,
        "isolates": probed.problem.isolates,
        "verdict": probed.verdict,
        "reason": probed.reason,
        "timesteps": probed.timesteps,
        "seconds": round(probed.seconds, 2),
        "seeds": [t.seed for t in probed.trials],
        "answers": _answers(probed),
    }


def _answers(probed: Probed) -> list[dict[str, Any]]:
    """Return each answer's band over seeds beside the right one."""
    trials = [t for t in probed.trials if t.given]
    rows = []
    for i, question in enumerate(trials[0].asked if trials else ()):
        given = np.array([t.given[i] for t in trials], dtype=float)
        right = np.mean([t.right[i] for t in trials], axis=0)
        rows += [
            {
                "quantity": question.about(j),
                "right": np.ravel(right[j]).tolist(),
                "low": np.ravel(given[:, j].min(axis=0)).tolist(),
                "high": np.ravel(given[:, j].max(axis=0)).tolist(),
            }
            for j in range(len(question.states))
        ]
    return rows
