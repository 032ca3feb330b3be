"""Diagnose whatever is in a folder or a file: a run of ours, or somebody else's log."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.diagnosis.diagnose import diagnose_history
from plumbrl.errors import UserError
from plumbrl.findings import Check, Evidence, Finding, Report
from plumbrl.history import History
from plumbrl.logs import read
from plumbrl.metrics.episodes import Evaluation

EXACT = ("identity", "settings")
"""What raised findings that are taken over; those of rules are found again from the history."""
FIELDS = {field.name for field in fields(Finding)}


def diagnose(path: Path | str, *, rules: str = "default") -> Report:
    """Judge a run from what it left behind.

    Args:
        path: A run folder, or a log that `plumbrl.logs` can read.
        rules: ``default``, or ``classic`` for the published fixed thresholds.

    Returns:
        Verdict, ranked causes, and everything that was checked.

    Raises:
        UserError: There is nothing to read; in one sentence.
    """
    return diagnose_with(_history(Path(path)), Path(path), rules=rules)


def _history(path: Path) -> History:
    """Read the numbers; a run that broke before its first row has none, but may have findings."""
    try:
        return read(path)
    except UserError as error:
        if path.is_dir() and _findings(path):
            return History(np.zeros(0), {}, notes=(str(error),))
        raise


def diagnose_with(history: History, path: Path, *, rules: str = "default") -> Report:
    """Judge a run whose history has been read already."""
    folder = path if path.is_dir() else path.parent
    return diagnose_history(
        history,
        str(path),
        findings=_findings(folder) if path.is_dir() else (),
        checks=_checks(folder) if path.is_dir() else (),
        evaluations=_evaluations(folder) if path.is_dir() else (),
        rules=rules,
    )


def _findings(folder: Path) -> list[Finding]:
    """Return what exact identities and settings said; the first of each cause."""
    found: dict[str, Finding] = {}
    for line in _lines(folder / "findings.jsonl"):
        if line.get("by") in EXACT and "cause" in line:
            evidence = tuple(_evidence(e) for e in line.get("evidence", ()))
            known: dict[str, Any] = {k: v for k, v in line.items() if k in FIELDS}
            known["evidence"] = evidence
            found.setdefault(line["cause"], Finding(**known))
    return list(found.values())


def _evidence(plain: dict[str, Any]) -> Evidence:
    value = plain.get("value")
    known: dict[str, Any] = plain | {"value": float("nan") if value is None else value}
    return Evidence(**known)


def _checks(folder: Path) -> list[Check]:
    """Return what the exact identities looked at, as the run left it."""
    return [Check(**line) for line in _lines(folder / "checks.jsonl")]


def _evaluations(folder: Path) -> list[Evaluation]:
    lines = [line for line in _lines(folder / "evaluations.jsonl") if "policy" in line]
    return [Evaluation.of(line) for line in lines]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """Read JSON lines; what is torn or something else is left out."""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError):
        return
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record
