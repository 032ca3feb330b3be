"""Takes a row of numbers per update, keeps the history, applies the rules, raises alerts."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from plumbrl.causes import finding
from plumbrl.findings import NOT_FINITE, Evidence, Finding
from plumbrl.history import Facts, History
from plumbrl.monitor.growing import GrowingHistory
from plumbrl.rules import alerts_of

Sink = Callable[[Finding], None]
EVERY_ROW = 40
"""Rows after which rules are applied once per 2 % of new rows, not at every row."""
FILE = "metrics.jsonl"


def say(found: Finding) -> None:
    """Tell a finding in one line on stderr: the sink that watches have unless told otherwise."""
    where = f"plumbrl: {found.severity} at step {found.step:,}: {found.cause}: {found.summary}"
    print(where, file=sys.stderr)


class AlertError(Exception):
    """A training was asked to stop at the first error, and there is one."""

    def __init__(self, found: Finding) -> None:
        super().__init__(f"{found.cause} at step {found.step:,}: {found.summary}")
        self.finding = found


class Monitor:
    """Watches one run through its numbers.

    Args:
        facts: What is known about the run besides.
        folder: Gets ``metrics.jsonl``; None keeps everything in memory.
        sinks: Called with each finding when it is raised; an error of theirs is swallowed.
        stop_on_error: Raise `AlertError` at the first finding that is an error.

    Attributes:
        folder: As given.
        findings: Raised so far, in order.
        known: Causes that were raised so far, or in an earlier part of the run.
    """

    def __init__(
        self,
        facts: Facts,
        folder: Path | None = None,
        sinks: Iterable[Sink] = (),
        stop_on_error: bool = False,
    ) -> None:
        self._rows = GrowingHistory(facts)
        self._sinks, self._stop = list(sinks), stop_on_error
        self.folder, self._file = folder, None if folder is None else folder / FILE
        self._judged = 0
        self.known: set[str] = set()
        self.findings: list[Finding] = []
        if self._file is not None and not self._file.exists():
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._write([])

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    @property
    def history(self) -> History:
        """Everything up to now."""
        return self._rows.view()

    def go_on(self, rows: Sequence[Mapping[str, Any]], known: Iterable[str] | None = None) -> None:
        """Take over the rows of an earlier part of the run, as they were written.

        What the file holds beyond them is cut off.

        Args:
            rows: As in the file.
            known: Causes that were raised then; None to find them again.
        """
        for row in rows:
            numbers = {key: float(value) for key, value in row["metrics"].items()}
            self._rows.append(row["step"], numbers)
        self._write(rows)
        if known is None:
            self.findings = _once(alert.finding for alert in alerts_of(self.history))
            known = [found.cause for found in self.findings]
        self.known, self._judged = set(known), len(self._rows)

    def _write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if self._file is not None:
            header = {"schema": 1, "facts": asdict(self.history.facts)}
            self._file.write_text("".join(json.dumps(line) + "\n" for line in (header, *rows)))

    def row(
        self, step: int, update: int, numbers: Mapping[str, float], not_finite: str = ""
    ) -> list[Finding]:
        """Take the numbers of an update.

        Args:
            step: Timesteps so far, summed over environments.
            update: Index of the update.
            numbers: By name; a number that is not known is left out.
            not_finite: What was found to hold NaN or infinity first, in words.

        Returns:
            What was raised by it.

        Raises:
            AlertError: An error was raised, and the run is to stop then.
        """
        numbers = {key: _rounded(number) for key, number in numbers.items()}
        self._rows.append(step, numbers)
        if self._file is not None:
            metrics = {key: _plain(number) for key, number in numbers.items()}
            with self._file.open("a") as file:
                file.write(json.dumps({"step": step, "update": update, "metrics": metrics}) + "\n")
        raised = self._not_finite(step, not_finite, numbers) + self._judge(bool(not_finite))
        for found in raised:
            self._raise(found)
        return raised

    def tell(self, found: Finding) -> None:
        """Take a finding that rests on something else than rows; the first of its cause.

        Raises:
            AlertError: It is an error, and the run is to stop then.
        """
        if found.cause not in self.known:
            self._raise(found)

    def judge(self) -> list[Finding]:
        """Apply the rules to everything, whenever that was done last."""
        raised = self._judge(True)
        for found in raised:
            self._raise(found)
        return raised

    def _judge(self, at_once: bool) -> list[Finding]:
        n = len(self._rows)
        if not at_once and n > EVERY_ROW and n < self._judged * 1.02:
            return []
        self._judged = n
        alerts = [alert.finding for alert in alerts_of(self.history)]
        return [found for found in _once(alerts) if found.cause not in self.known]

    def _not_finite(self, step: int, where: str, numbers: Mapping[str, float]) -> list[Finding]:
        """A number that is none is said at once, and where it was seen first."""
        if self.known & set(NOT_FINITE):
            return []
        bad = where or next((key for key, value in numbers.items() if not isfinite(value)), "")
        if not bad:
            return []
        evidence = (Evidence("first seen in", float("nan"), "finite numbers", where=bad),)
        return [finding(_not_finite_cause(bad), step=step, evidence=evidence)]

    def _raise(self, found: Finding) -> None:
        self.findings.append(found)
        self.known.add(found.cause)
        for sink in list(self._sinks):
            try:
                sink(found)
            except Exception:  # a sink that fails must not end a training
                self._sinks.remove(sink)
        if self._stop and found.severity == "error":
            raise AlertError(found)


def _not_finite_cause(where: str) -> str:
    """Blame what comes before the trainer, where it was seen there first."""
    reward, observation, other = NOT_FINITE
    starts = {"reward": reward, "data/reward": reward, "observation": observation}
    return next((cause for start, cause in starts.items() if where.startswith(start)), other)


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Return the first finding of each cause."""
    return list({found.cause: found for found in reversed(list(findings))}.values())[::-1]


def _rounded(number: float) -> float:
    """Seven digits are enough, and live and from the file they are the same number."""
    return float(f"{number:.7g}")


def _plain(number: float) -> float | str:
    """JSON has no NaN; a reader must still see that there was one."""
    if isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"
