"""`plumbrl.watch`: a callback for any SB3 training, with a folder of its own."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from plumbrl.adapters.sb3.facts import facts_of
from plumbrl.adapters.sb3.settings import settings
from plumbrl.adapters.sb3.verifier import Verifier
from plumbrl.adapters.sb3.watch import Watch
from plumbrl.errors import UserError
from plumbrl.findings import NOT_FINITE, Finding, Report
from plumbrl.monitor.monitor import FILE, AlertError, Monitor, Sink, say
from plumbrl.runs import RunFolder


def watch(
    model: Any,
    folder: Path | str | None = None,
    *,
    total_timesteps: int | None = None,
    every: int | None = None,
    sinks: Iterable[Sink] = (say,),
    stop_on_error: bool = False,
) -> "Watched":
    """Return a callback that watches a model: ``model.learn(n, callback=plumbrl.watch(model))``.

    The settings of the model are checked at once, what it stores and learns in its first updates is
    recomputed exactly, and numbers are taken and judged all along.

    Args:
        model: Any algorithm of stable_baselines3 or sb3_contrib.
        folder: Gets ``metrics.jsonl``, which `plumbrl diagnose` reads, ``findings.jsonl``,
            ``checks.jsonl`` and ``value_trace.json``; None keeps numbers in memory.
        total_timesteps: That it will learn; rules are silent for a share of them at the start.
        every: Timesteps between rows; None for about 400 rows in a training.
        sinks: Called with each finding when it is raised; one line on stderr if not given.
        stop_on_error: Raise `AlertError` at the first finding that is an error.

    Raises:
        UserError: It is no SB3 model, `every` is not above 0, or the folder holds a run already.
    """
    if not isinstance(model, BaseAlgorithm):
        raise UserError(f"plumbrl.watch wants an SB3 model; got {type(model).__name__}.")
    if every is not None and every < 1:
        raise UserError(f"every must be above 0; got {every}.")
    where = None if folder is None else Path(folder)
    if where is not None:
        _claim(where)
    return Watched(model, where, total_timesteps, every, tuple(sinks), stop_on_error)


class Watched(CallbackList):
    """Watches one model: its settings, the identities of its first updates, its numbers.

    See `watch` for the arguments.
    """

    def __init__(
        self,
        model: BaseAlgorithm,
        folder: Path | None,
        total_timesteps: int | None,
        every: int | None,
        sinks: tuple[Sink, ...],
        stop_on_error: bool,
    ) -> None:
        self._run = RunFolder(folder) if folder else None
        self._sinks, self._stop = sinks, stop_on_error
        self._written = ""
        self._alert: Finding | None = None
        by_rule = (self._add, *sinks) if self._run else sinks
        self._verifier = Verifier(self._found)
        self._monitor = Monitor(facts_of(model, total_timesteps), folder, by_rule, stop_on_error)
        self._watch = Watch(self._monitor, every)
        callbacks: list[BaseCallback] = [*self._verifier.watches(model), self._watch]
        super().__init__(callbacks)
        self._verifier.settings(settings(model, total_timesteps))
        self._write_checks()

    @property
    def failure(self) -> str:
        """Why a part of it stopped watching; empty if none did."""
        return next((f for c in self.callbacks if (f := getattr(c, "failure", ""))), "")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Raised so far: by settings and identities, then by numbers."""
        return (*self._verifier.findings, *self._monitor.findings)

    def report(self) -> Report:
        """Return the diagnosis of everything seen so far."""
        return self._watch.report(self._verifier.findings, self._verifier.checks)

    def _on_training_start(self) -> None:
        super()._on_training_start()
        self._watch.examine()  # weights that are none already end a training before its first row

    def _on_step(self) -> bool:
        if self._alert:
            raise AlertError(self._alert)
        return super()._on_step()

    def _on_rollout_start(self) -> None:
        super()._on_rollout_start()
        self._write_checks()

    def _on_training_end(self) -> None:
        super()._on_training_end()
        self._write_checks()

    def _found(self, found: Finding, by: str) -> None:
        """Tell a finding of an identity or of settings, as the monitor tells those of rules."""
        if self._run:
            self._run.add_finding(found, by)
        for sink in self._sinks if by == "identity" else ():
            sink(found)
        if self._stop and found.severity == "error" and by == "identity":
            self._alert = self._alert or found

    def _add(self, found: Finding) -> None:
        assert self._run is not None
        self._run.add_finding(found, "identity" if found.cause in NOT_FINITE else "rule")

    def _write_checks(self) -> None:
        lines = "".join(json.dumps(asdict(check)) + "\n" for check in self._verifier.checks)
        if self._run and lines != self._written:
            self._run.write_text("checks.jsonl", lines)
            self._written = lines


def _claim(folder: Path) -> None:
    """Two runs in one folder would be read as one that was restarted."""
    if (folder / FILE).exists():
        raise UserError(f"{folder} already holds a run; give another folder, or remove it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {folder}: {error.strerror}.") from None
