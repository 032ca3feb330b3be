"""What a rule is, and when it is raised: a condition on rows that lasts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from plumbrl.causes import finding
from plumbrl.findings import Evidence, Finding, Severity
from plumbrl.history import Facts, History

Array = np.ndarray
Columns = dict[str, Array]


@dataclass(frozen=True)
class Verdicts:
    """What a rule says about `n` rows.

    Attributes:
        bad: Whether the row is out of the healthy range, (n,).
        limit: What was compared with, (n,) or one number.
        seen: What was compared: the first of the rule's columns, or something made of it, (n,).
    """

    bad: Array
    limit: Array | float
    seen: Array


@dataclass(frozen=True)
class Rule:
    """A condition on the numbers of a run.

    It is raised when the condition holds in `persist` rows without interruption, and cleared when
    it has not held in as many; what comes and goes quickly is neither.

    Attributes:
        name: In words, as alerts are listed.
        cause: Id in the catalogue.
        needs: Columns it reads; the first is its evidence.
        judge: Applies it to rows that have all of them; must depend on a row and those before
            it only, so that it says the same while a run goes on and afterwards.
        expected: What a healthy run shows, in words; ``{limit}`` is filled in.
        persist: Rows.
        warm_up: Share of the training before which it is silent.
        applies: Whether it makes sense for a run at all; None if it always does.
        confidence: Probability that the cause is the right one, when raised.
        severity: None for the catalogue's.
    """

    name: str
    cause: str
    needs: tuple[str, ...]
    judge: Callable[[Columns, Facts], Verdicts]
    expected: str
    persist: int = 5
    warm_up: float = 0.05
    applies: Callable[[Facts], bool] | None = None
    confidence: float = 0.6
    severity: Severity | None = None


@dataclass(frozen=True)
class Alert:
    """A rule that was raised.

    Attributes:
        rule: The rule.
        finding: What it says.
        cleared: Timestep at which it was cleared for good; None if it holds at the end.
        share: Of the rows after the warm-up in which the condition held.
    """

    rule: Rule
    finding: Finding
    cleared: float | None
    share: float


def apply(rule: Rule, history: History, columns: Columns) -> Alert | None:
    """Apply a rule to a whole history.

    Args:
        rule: The rule.
        history: Of the run.
        columns: Of the history, and those derived from it.

    Returns:
        The alert, with its first onset; None if it was not raised, does not apply or lacks data.
    """
    if not can_apply(rule, history, columns):
        return None
    rows = ~np.any([np.isnan(columns[key]) for key in rule.needs], axis=0)
    steps = history.steps[rows]
    verdicts = rule.judge({key: columns[key][rows] for key in rule.needs}, history.facts)
    warm = _warm(rule, steps, history)
    bad = verdicts.bad & warm
    onset, cleared = raised(bad, rule.persist)
    if onset is None:
        return None
    limit = np.broadcast_to(verdicts.limit, bad.shape)
    worst = _worst(verdicts.seen, limit, onset, rule.persist)
    evidence = _evidence(rule, verdicts.seen[worst], limit[worst])
    found = finding(
        rule.cause, step=int(steps[onset]), evidence=evidence, confidence=rule.confidence
    )
    if rule.severity is not None:
        found = replace(found, severity=rule.severity)
    end = None if cleared is None else float(steps[cleared])
    return Alert(rule, found, end, float(bad.sum() / max(1, warm.sum())))


def rows_short(rule: Rule, history: History, columns: Columns) -> str:
    """Return why a rule could not have been raised yet, for want of rows; empty if it could."""
    known = ~np.any([np.isnan(columns[key]) for key in rule.needs], axis=0)
    warm = int(_warm(rule, history.steps[known], history).sum())
    if warm >= rule.persist:
        return ""
    return f"needs {rule.persist} rows after its warm-up, there are {warm}"


def can_apply(rule: Rule, history: History, columns: Columns) -> bool:
    """Return whether the rule makes sense for this run, and its columns are there."""
    if rule.applies is not None and not rule.applies(history.facts):
        return False
    return all(key in columns for key in rule.needs)


def raised(bad: Array, persist: int) -> tuple[int | None, int | None]:
    """Return the row with which the first lasting violation began, and the last clearing row.

    Args:
        bad: (n,).
        persist: Rows that it has to last, and to be gone.

    Returns:
        Onset, None if there is none; and the row since which it has been gone at the end, None if
        it is still there.
    """
    at = np.arange(len(bad))
    last_good = np.maximum.accumulate(np.where(bad, -1, at))
    lasting = bad & (at - last_good >= persist)
    if not lasting.any():
        return None, None
    first = int(np.argmax(lasting)) - persist + 1
    last_bad = int(at[bad][-1])
    gone = len(bad) - 1 - last_bad >= persist
    return first, (last_bad + 1 if gone else None)


def _warm(rule: Rule, steps: Array, history: History) -> Array:
    """Silent for a share of the training, where its length is known, and for the first rows."""
    total = history.facts.total_timesteps
    late = steps >= rule.warm_up * total if total else np.ones(len(steps), dtype=bool)
    late[: min(3, len(late)) if rule.warm_up > 0 else 0] = False
    return late


def _worst(value: Array, limit: Array, onset: int, persist: int) -> int:
    """Return the row to show: the farthest from its limit until the alert was raised."""
    rows = np.arange(onset, onset + persist)
    distance = np.abs(value[rows] - limit[rows])
    return int(rows[np.argmax(np.where(np.isfinite(distance), distance, np.inf))])


def _evidence(rule: Rule, value: float, limit: float) -> tuple[Evidence, ...]:
    expected = rule.expected.format(limit=f"{limit:.3g}")
    return (Evidence(rule.needs[0], float(value), expected, where="worst row until it was raised"),)
