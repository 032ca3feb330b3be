"""Does the run learn, hold what it learned, and has it finished?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence, Finding
from plumbrl.history import History
from plumbrl.metrics.arithmetic import quiet
from plumbrl.metrics.statistics import Interval
from plumbrl.metrics.trends import gain, last_peak, mann_kendall
from plumbrl.rules import Columns, columns_of
from plumbrl.rules.derived import needed_gain, return_column

Status = Literal["unknown", "no gain", "lost", "held", "rising"]
LAST = 0.3
"""Share of the training whose trend says whether it was still rising."""
WORTH = 0.1
"""A rise counts from this share of the whole gain on."""
LOST = 0.65
"""A policy that has lost more of its gain has collapsed."""
FEW = 10
"""Rows with a return, below which nothing is said about learning."""


@dataclass(frozen=True)
class Learning:
    """What the returns say.

    Attributes:
        status: ``no gain``: no better than at the start, or than random actions; ``lost``: it was;
            ``rising``: not finished.
        key: The column that was read; empty if there is none.
        gain: Mean of the last fifth less that of the first fifth, or less that of random actions.
        over: What the gain is over, in words.
        findings: That follow.
        check: The same as a line of the report.
    """

    status: Status
    key: str
    gain: Interval
    over: str
    findings: tuple[Finding, ...]
    check: Check


@quiet
def learning_of(history: History, columns: Columns | None = None) -> Learning:
    """Return what the returns of a history say.

    Args:
        history: Of a run.
        columns: Its `columns_of`, where they are known already.
    """
    key = return_column({name: history[name] for name in history})
    steps, returns = history.points(key) if key else (np.empty(0), np.empty(0))
    finite = np.isfinite(returns)
    steps, returns = steps[finite], returns[finite]
    if key is None or len(returns) < FEW:
        why = "no returns are logged" if key is None else f"only {len(returns)} rows have a return"
        return _unknown(key or "", why)
    gained, over = _gain(history, returns)
    columns = columns or columns_of(history)
    learned = bool(np.nanmax(columns["fine"], initial=0) > 0.5)
    needed = float(needed_gain(columns, rows=1)[-1])
    index, drop = last_peak(returns)
    status: Status = "held"
    found: tuple[Finding, ...] = ()
    if not learned:
        status, found = "no gain", (_no_gain(gained, over, needed, steps),)
    elif np.isfinite(drop) and drop > LOST:
        status, found = "lost", (_lost(drop, returns, steps, index),)
    elif _rising(returns) and _evaluation_rises(history):
        status, found = "rising", (_rise(returns, steps),)
    passed = status in ("held", "rising")
    reason = f"{key}, last fifth less {over}: {gained}"
    check = Check("the return grows", "passed" if passed else "failed", reason)
    return Learning(status, key, gained, over, found, check)


def _unknown(key: str, why: str) -> Learning:
    nothing = Interval(np.nan, np.nan, np.nan)
    check = Check("the return grows", "skipped", why)
    return Learning("unknown", key, nothing, "", (), check)


def _gain(history: History, returns: np.ndarray) -> tuple[Interval, str]:
    facts = history.facts
    if facts.random_return is None:
        share = max(0.2, 5 / len(returns))  # `gain` wants five points in each part
        return gain(returns, share), "first fifth" if share == 0.2 else "first five rows"
    last = returns[-max(5, len(returns) // 5) :]
    half = 1.96 * float(last.std()) / np.sqrt(max(2, len(last) / 4))
    above = float(last.mean()) - facts.random_return
    return Interval(above, above - half, above + half), "the return of random actions"


def _rising(returns: np.ndarray) -> bool:
    part = returns[-max(FEW, int(LAST * len(returns))) :]
    tau, p = mann_kendall(part)
    third = max(1, len(part) // 3)
    rise = float(np.median(part[-third:]) - np.median(part[:third]))
    whole = float(np.max(returns) - np.median(returns[: max(3, len(returns) // 20)]))
    return bool(tau > 0 and p < 0.01 and whole > 0 and rise > WORTH * whole)


def _evaluation_rises(history: History) -> bool:
    """Held-out returns do not lag behind as means over past episodes do; without any, yes."""
    held_out = history.points("eval/mean_reward")[1]
    if len(held_out) < 5:
        return True
    whole = float(np.max(held_out) - held_out[0])
    return bool(held_out[-1] - np.max(held_out[:-2]) > WORTH * whole)


def _no_gain(gained: Interval, over: str, needed: float, steps: np.ndarray) -> Finding:
    expected = f"above {needed:.3g}, three times the noise"
    evidence = (
        Evidence(f"mean return at the end less {over}", gained.estimate, expected),
        Evidence("its 95 % interval, upper end", gained.high, "well above 0"),
    )
    return finding("task.no-gain", step=int(steps[-1]), evidence=evidence, confidence=0.95)


def _lost(drop: float, returns: np.ndarray, steps: np.ndarray, index: int) -> Finding:
    evidence = (
        Evidence("share of the gain that is lost", drop, f"below {LOST}", where="end of training"),
        Evidence("best return", float(returns[index]), "kept to the end"),
    )
    return finding("policy.collapsed", step=int(steps[index]), evidence=evidence, confidence=0.9)


def _rise(returns: np.ndarray, steps: np.ndarray) -> Finding:
    part = returns[-max(FEW, int(LAST * len(returns))) :]
    tau, _ = mann_kendall(part)
    evidence = (Evidence("Kendall's tau of the last 30 %", tau, "near 0 once it has finished"),)
    return finding("task.still-rising", step=int(steps[-1]), evidence=evidence, confidence=0.9)
