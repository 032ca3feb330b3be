"""`plumbrl.watch`: a callback for any SB3 training, with a folder of its own."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from plumbrl.adapters.sb3.facts import facts_of
from plumbrl.adapters.sb3.settings import settings
from plumbrl.adapters.sb3.watch import Watch
from plumbrl.errors import UserError
from plumbrl.findings import NOT_FINITE, Finding
from plumbrl.monitor.monitor import FILE, Monitor, Sink, say
from plumbrl.oracles import check_settings
from plumbrl.runs import RunFolder


def watch(
    model: Any,
    folder: Path | str | None = None,
    *,
    total_timesteps: int | None = None,
    every: int | None = None,
    sinks: Iterable[Sink] = (say,),
    stop_on_error: bool = False,
) -> Watch:
    """Return a callback that watches a model: ``model.learn(n, callback=plumbrl.watch(model))``.

    The settings of the model are checked at once.

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
    outcomes = check_settings(settings(model, total_timesteps))
    where = None if folder is None else Path(folder)
    if where is not None:
        _claim(where)
        run = RunFolder(where)
        lines = [json.dumps(asdict(check)) + "\n" for check, _ in outcomes]
        run.write_text("checks.jsonl", "".join(lines))
        for _, found in outcomes:
            if found is not None:
                run.add_finding(found, "settings")
        sinks = (_writer(run), *sinks)
    monitor = Monitor(facts_of(model, total_timesteps), where, sinks, stop_on_error)
    return Watch(monitor, every, outcomes)


def _claim(folder: Path) -> None:
    """Two runs in one folder would be read as one that was restarted."""
    if (folder / FILE).exists():
        raise UserError(f"{folder} already holds a run; give another folder, or remove it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {folder}: {error.strerror}.") from None


def _writer(run: RunFolder) -> Sink:
    def write(found: Finding) -> None:
        run.add_finding(found, "identity" if found.cause in NOT_FINITE else "rule")

    return write
