"""The watch over one training: its monitor, its files, and what ends a training early."""

import json
from dataclasses import replace
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from plumbrl.adapters.sb3.facts import facts_of
from plumbrl.adapters.sb3.watch import Watch
from plumbrl.findings import NOT_FINITE, Check, Finding
from plumbrl.history import Facts
from plumbrl.monitor.monitor import FILE, Monitor
from plumbrl.runs import RunFolder
from plumbrl.training.config import TrainConfig

CHECK = "numbers of the training"


class Watching:
    """Watches a training, or does nothing where that is switched off.

    Args:
        config: The training.
        folder: Its folder.
        model: SB3's.
        saved: What `save` returned, if the training goes on.

    Attributes:
        findings: Raised so far by the numbers of this run.
    """

    def __init__(
        self, config: TrainConfig, folder: RunFolder, model: Any, saved: dict[str, Any] | None
    ) -> None:
        self._folder = folder
        self._watch: Watch | None = None
        self._monitor: Monitor | None = None
        if not config.watch:
            return
        facts = facts_of(model, config.total_timesteps, config.env.id.rpartition(":")[2])
        header, *rows = _lines(folder, saved["rows"]) if saved else [{}]
        if header:  # what a schedule has reached since is not how the training began
            facts = replace(Facts.of(header["facts"]), total_timesteps=config.total_timesteps)
        self._monitor = Monitor(facts, folder.path, (self._note,), config.stop_on_error)
        if saved:
            self._monitor.go_on(rows, saved["causes"])
        self._watch = Watch(self._monitor, config.watch_every)
        if saved:
            self._watch.restore(saved["watch"])

    @property
    def findings(self) -> list[Finding]:
        """Raised so far by the numbers of this run."""
        return self._monitor.findings if self._monitor else []

    @property
    def callbacks(self) -> list[BaseCallback]:
        """What SB3 has to call."""
        return [self._watch] if self._watch else []

    @property
    def checks(self) -> list[Check]:
        """Whether the watch itself came through."""
        if self._watch is None:
            return [Check(CHECK, "skipped", "the watch is switched off")]
        if self._watch.failure:
            return [Check(CHECK, "inconclusive", self._watch.failure)]
        return []

    def broke(self) -> bool:
        """Return whether something is not finite, after an error of the trainer's."""
        if self._watch is None or self._monitor is None:
            return False
        self._watch.examine()
        return bool(self._monitor.known & set(NOT_FINITE))

    def save(self) -> dict[str, Any] | None:
        """Return everything a resumed training needs, in plain data."""
        if self._watch is None or self._monitor is None:
            return None
        causes = sorted(self._monitor.known)
        return {"rows": len(self._monitor), "causes": causes, "watch": self._watch.save()}

    def _note(self, found: Finding) -> None:
        by = "identity" if found.cause in NOT_FINITE else "rule"
        self._folder.add_finding(found, by)


def _lines(folder: RunFolder, rows: int) -> list[dict[str, Any]]:
    """Return the header of the file and the rows that the state knows."""
    file = folder.path / FILE
    lines = file.read_text().splitlines()[: rows + 1] if file.exists() else []
    return [json.loads(line) for line in lines] or [{}]
