"""What a list says of a run: read from the heads and tails of its files, without numpy."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from plumbrl.dashboard.folders import LOGS, Files, Run

WRITTEN = (*LOGS, "findings.jsonl", "checks.jsonl", "evaluations.npz", "evaluations.jsonl",
           "report.json", "manifest.json")  # fmt: skip
"""Files that a training writes; others may come long after it."""
QUIET = 120.0
"""Seconds without a word from which on a run is no longer said to be running; a run that is watched
writes about 400 rows, and one saves its state every half minute."""
END = 128 * 1024
"""Bytes that are read at either end of a file; a row of many layers is 30,000 long."""
NEAR = 0.99
"""Share of its timesteps at which a run is at its end; the last row need not be of the last one."""
STEPS = ("time/total_timesteps", "global_step", "step")
SEED = re.compile(r"_s(\d+)(\.\d+)?$")

State = Literal["running", "ended", "quiet"]


@dataclass(frozen=True)
class Entry:
    """A line of the list.

    Attributes:
        run: The folder.
        env: Id of the environment; empty if nothing says it, as all text here.
        algo: Name of the algorithm.
        seed: As text.
        steps: Timesteps so far; None if none were logged.
        total: Timesteps that the training was meant to last.
        started: When, in seconds since 1970.
        written: When something was written last.
    """

    run: Run
    env: str
    algo: str
    seed: str
    steps: int | None
    total: int | None
    started: float
    written: float

    def state(self, now: float) -> State:
        """Return whether the run goes on: it has a report, or wrote something just now."""
        if self.run.reported:
            return "ended"
        if "manifest.json" not in self.run.files and self._at_its_end:
            return "ended"  # ours write a report when they end; of others there is none to wait for
        return "running" if now - self.written < QUIET else "quiet"

    @property
    def _at_its_end(self) -> bool:
        return bool(self.steps and self.total and self.steps >= NEAR * self.total)


class Listing:
    """Lines of the list; a file is read again only when it has changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Files, Entry]] = {}

    def entry(self, run: Run) -> Entry:
        """Return what the list says of a run."""
        known = self._known.get(run.id)
        if known is None or known[0] != run.files:
            known = self._known[run.id] = (run.files, _entry(run))
        return known[1]


def _entry(run: Run) -> Entry:
    manifest, facts = _object(_head(run, "manifest.json")), _facts(run)
    seeds = manifest.get("seeds")
    named = SEED.search(run.path.name)
    seed = seeds.get("master") if isinstance(seeds, dict) else named and named[1]
    times = [run.files[name][0] / 1e9 for name in WRITTEN if name in run.files]
    steps = _steps(run)
    return Entry(
        run,
        env=_text(manifest.get("env") or facts.get("env")).rpartition(":")[2],
        algo=_text(manifest.get("algo") or facts.get("algo")),
        seed=_text(seed),
        steps=steps,
        total=_whole(facts.get("total_timesteps")),
        started=_moment(manifest.get("created")) or min(times, default=0.0),
        written=max(times, default=0.0),
    )


def _facts(run: Run) -> dict[str, Any]:
    facts = _object(_head(run, "metrics.jsonl").partition("\n")[0]).get("facts")
    return facts if isinstance(facts, dict) else {}


def _steps(run: Run) -> int | None:
    """Return the timesteps of the last whole row that has some."""
    for line in _last_lines(run, "metrics.jsonl"):
        step = _whole(_object(line).get("step"))
        if step is not None:
            return step
    return next(_steps_of_rows(run), None)


def _steps_of_rows(run: Run) -> Iterator[int]:
    names = _cells(_head(run, "progress.csv").partition("\n")[0])
    keys = [key for key in STEPS if key in names]
    for line in _last_lines(run, "progress.csv") if keys else ():
        row = dict(zip(names, _cells(line), strict=False))
        steps = _whole(row.get(keys[0]))
        if len(row) == len(names) and steps is not None:
            yield steps


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _head(run: Run, name: str) -> str:
    return _read(run, name, 0)


def _last_lines(run: Run, name: str) -> Iterator[str]:
    """Yield the whole lines at the end of a file, the last one first."""
    size = run.files.get(name, (0, 0))[1]
    yield from reversed(_read(run, name, max(0, size - END)).split("\n")[:-1])


def _read(run: Run, name: str, start: int) -> str:
    """Return text from a place in a file on; nothing if it cannot be read."""
    if name not in run.files:
        return ""
    try:
        with Path(run.path / name).open("rb") as file:
            file.seek(start)
            return file.read(END).decode("utf-8", "replace").replace("\0", "")
    except OSError:
        return ""


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _whole(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool) else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    return str(value)[:80] if isinstance(value, str | int) else ""


def _moment(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
