"""Verdicts for the list: from a run's own report where it is up to date, else worked out apart."""

import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Lock

from plumbrl.dashboard.folders import LOGS, Files, Run
from plumbrl.dashboard.workshop import Made, Workshop
from plumbrl.errors import UserError

REST = 20.0
"""A run that is being written is judged again after so many times what judging it took, so that
this never takes more than a twentieth of a core from the training."""
BROKEN = 10.0
"""Seconds that work counts for that took its process down."""
FAILED = "It could not be judged: the work was stopped; its log may be too large for this machine."


@dataclass(frozen=True)
class Judged:
    """A verdict in a line.

    Attributes:
        verdict: Empty if there is none.
        said: The first finding, or why there is no verdict.
    """

    verdict: str
    said: str


class Judge:
    """Verdicts of runs, kept as long as their files stay the same.

    Args:
        workshop: Works them out, one at a time, so that whoever opens a run need not wait for all.
        judge: Works out one verdict.
    """

    def __init__(self, workshop: Workshop, judge: Callable[[Run], Judged] | None = None) -> None:
        self._workshop = workshop
        self._judge = judge or judged
        self._lock = Lock()
        self._known: dict[str, tuple[Files, Judged]] = {}
        self._waiting: dict[str, Run] = {}
        self._busy = False
        self._next: dict[str, float] = {}

    def of(self, run: Run) -> Judged | None:
        """Return what is known, if need be of the run as it was before; None if nothing is yet."""
        known = self._known.get(run.id)
        if known is not None and known[0] == run.files:
            return known[1]
        found = _reported(run)
        if found is not None:
            self._known[run.id] = (run.files, found)
            return found
        if time.monotonic() >= self._next.get(run.id, 0.0):
            with self._lock:
                self._waiting[run.id] = run
            self._go_on()
        return known[1] if known else None

    def _go_on(self) -> None:
        with self._lock:
            if self._busy or not self._waiting:
                return
            run = self._waiting.pop(next(iter(self._waiting)))
            self._busy = True
            self._next[run.id] = float("inf")
        self._workshop.submit(self._judge, run).add_done_callback(partial(self._done, run))

    def _done(self, run: Run, future: Future[Made[Judged]]) -> None:
        if future.cancelled():
            return
        made = Made(Judged("", FAILED), BROKEN) if future.exception() else future.result()
        self._known[run.id] = (run.files, made.result)
        self._next[run.id] = time.monotonic() + REST * made.cost
        self._busy = False
        self._go_on()


def judged(run: Run) -> Judged:
    """Judge a run from its files; what goes wrong is said in a sentence."""
    from plumbrl.diagnosis import diagnose  # needs numpy, which the server does not

    if run.stray:
        return Judged("", strayed(run))
    try:
        report = diagnose(run.path)
    except Exception as error:
        return Judged("", reason(error, run))
    return Judged(report.verdict, report.findings[0].summary if report.findings else "")


def strayed(run: Run) -> str:
    """Return why a run with a link that leads out is not read."""
    return f"{run.stray} is a link that leads out of the folder of runs, so nothing is read here."


def reason(error: Exception, run: Run) -> str:
    """Return why a run cannot be judged, in a sentence; whatever lies there, the page stays."""
    if not any(name in run.files for name in LOGS):
        return "Nothing is logged yet."
    if isinstance(error, UserError):
        return str(error).replace(f"{run.path}/", "")
    return f"It cannot be judged: {type(error).__name__}: {error}".splitlines()[0]


def _reported(run: Run) -> Judged | None:
    """Return what the run's own report says, unless something was logged since."""
    if run.stray or not run.reported:
        return None
    try:
        report = json.loads((run.path / "report.json").read_text("utf-8"))
        first = report["findings"][0]["summary"] if report["findings"] else ""
        return Judged(str(report["verdict"]), str(first))
    except (OSError, ValueError, TypeError, LookupError):
        return None
