"""From a history, and what exact checks found, to a verdict with ranked causes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from plumbrl.diagnosis.advice import next_step
from plumbrl.diagnosis.broken import broken_numbers
from plumbrl.diagnosis.curves import curve_checks
from plumbrl.diagnosis.evaluated import Evaluated, evaluated
from plumbrl.diagnosis.graph import SYMPTOMS, ranked
from plumbrl.diagnosis.learning import Learning, learning_of
from plumbrl.diagnosis.overfitting import overfitting_of
from plumbrl.findings import NOT_FINITE, Check, Finding, Report, RunVerdict
from plumbrl.history import History
from plumbrl.metrics.episodes import Evaluation
from plumbrl.rules import Alert, alerts_of, columns_of, looked_at

NOT_EXPLORING = {"policy.entropy-collapsed", "policy.alpha-collapsed",
                 "policy.action-dimension-collapsed", "policy.saturated"}  # fmt: skip
OVERFITTING = {"task.overfits", "value.overfits"}
UNTIDY = {"environment.not-closed"}
"""To be mended, though no run learns the less for it."""
LONG = 0.5
"""An alert that held in more of the rows counts even if it is gone at the end."""
EXACT = 1.0
"""Confidence of a finding that rests on an identity."""


def diagnose_history(
    history: History,
    subject: str,
    findings: Sequence[Finding] = (),
    checks: Sequence[Check] = (),
    evaluations: Sequence[Evaluation] = (),
    rules: str = "default",
) -> Report:
    """Judge a run.

    In the order of the tree: what is broken comes before what is unhealthy, that before what does
    not learn, and hyper-parameters are talked about last. Findings that others explain are told
    after those.

    Args:
        history: Its numbers.
        subject: What is judged, for the report.
        findings: From exact identities and settings, if the run was watched.
        checks: Behind them.
        evaluations: On held-out seeds: the trained policy, baselines, random actions. They decide
            about learning where there are any.
        rules: Set of rules: ``default``, or ``classic`` for the published fixed thresholds.
    """
    columns = columns_of(history)
    learning = learning_of(history, columns)
    alerts = alerts_of(history, rules, columns)
    steps = float(history.steps[-1]) if history.rows else 0.0
    judged = evaluated(evaluations, int(steps))
    grows = learning.check
    if judged.learned and learning.status == "no gain":
        grows, learning = replace(grows, verdict="inconclusive"), replace(learning, findings=())
    over = overfitting_of(history)
    broken = [] if {f.cause for f in findings} & set(NOT_FINITE) else broken_numbers(history)
    seen = [*findings, *broken, *map(_told, _one_each(alerts))]
    found = _once([*seen, *learning.findings, *over, *judged.findings])
    told = ranked(found, steps)
    verdict = _verdict(found, told, learning, judged, bool(over))
    ruled = _rule_checks(alerts, looked_at(history, rules, columns))
    numbers = _numbers_check([f for f in told if f.cause in NOT_FINITE])
    lines = (*checks, numbers, *judged.checks, grows, *ruled, *curve_checks(history))
    step = next_step(verdict, told, checks, subject, history.facts)
    return Report(subject, verdict, tuple(told), lines, step)


def _numbers_check(found: Sequence[Finding]) -> Check:
    if not found:
        return Check("all numbers are finite", "passed")
    where = found[0].evidence[0].where if found[0].evidence else ""
    return Check("all numbers are finite", "failed", f"step {found[0].step:,}: {where}")


def _verdict(
    found: Sequence[Finding],
    told: Sequence[Finding],
    learning: Learning,
    judged: Evaluated,
    overfits: bool,
) -> RunVerdict:
    """A setting in doubt is no fault by itself; what follows from it, and stands, is one."""
    if any(f.confidence == EXACT and f.severity == "error" for f in told):
        return "BROKEN"
    causes = _accused(told)
    unhealthy = {c for c in _accused(found) if not c.startswith("configuration.")}
    unhealthy -= OVERFITTING | UNTIDY
    no_gain = learning.status == "no gain" and not judged.learned
    if no_gain or judged.learned is False:
        return "NOT_EXPLORING" if causes and causes[0] in NOT_EXPLORING else "NOT_LEARNING"
    if learning.status == "lost" or unhealthy:
        return "UNHEALTHY"
    if overfits:
        return "OVERFITTING"
    if learning.status == "unknown" and judged.learned is None:
        return "INCONCLUSIVE"
    finished = judged.converged and learning.status != "rising"
    return "HEALTHY" if finished else "NOT_CONVERGED"


def _accused(findings: Sequence[Finding]) -> list[str]:
    return [f.cause for f in findings if f.severity != "info" and f.cause not in SYMPTOMS]


def _told(alert: Alert) -> Finding:
    """An alert that was cleared, and was not there for long, is told but does not decide."""
    return alert.finding if _stands(alert) else replace(alert.finding, severity="info")


def _one_each(alerts: Sequence[Alert]) -> list[Alert]:
    """Of several alerts with one cause, keep one that stands, then the most certain."""
    best: dict[str, Alert] = {}
    for alert in alerts:
        known = best.setdefault(alert.finding.cause, alert)
        if _rank(alert) > _rank(known):
            best[alert.finding.cause] = alert
    return list(best.values())


def _rank(alert: Alert) -> tuple[bool, float]:
    return _stands(alert), alert.finding.confidence


def _stands(alert: Alert) -> bool:
    return alert.cleared is None or alert.share > LONG


def _once(findings: Sequence[Finding]) -> list[Finding]:
    return list({found.cause: found for found in reversed(findings)}.values())[::-1]


def _rule_checks(alerts: Sequence[Alert], looked: Mapping[str, str]) -> list[Check]:
    raised = {alert.rule.name: alert for alert in alerts}
    lines = []
    for name, why in looked.items():
        if name in raised:
            alert = raised[name]
            since = f"since step {alert.finding.step:,}"
            gone = "" if alert.cleared is None else f", gone at {alert.cleared:,.0f}"
            doubt = alert.finding.cause.startswith("configuration.")
            failed = alert.cleared is None and alert.finding.severity != "info" and not doubt
            lines.append(Check(name, "failed" if failed else "inconclusive", since + gone))
        else:
            lines.append(Check(name, "skipped" if why else "passed", why))
    return lines
