"""Which reader a file or a folder needs."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from plumbrl.errors import UserError
from plumbrl.logs.delimited import read_delimited
from plumbrl.logs.episodes import read_evaluations, read_monitors
from plumbrl.logs.events import is_events, read_events
from plumbrl.logs.lines import read_lines
from plumbrl.logs.log import Log, content, listed
from plumbrl.logs.names import step_column
from plumbrl.logs.scalars import read_scalars
from plumbrl.logs.wandb import MARK, read_wandb

DEPTH = 4
"""How far below the given folder a run is looked for."""
MANY = 200
"""Folders that are looked at before looking stops."""
LINES = ("metrics.jsonl", "wandb-history.jsonl", "history.jsonl", "progress.json", "result.json")
"""Files of JSON objects that hold the numbers of a run, the best first."""
OTHER_LINES = ("findings.jsonl", "evaluations.jsonl")
"""Files of our run folder that hold something else."""
TABLES = ("progress.csv", "progress.txt")
"""Of SB3 and RLlib; of Spinning Up."""
LOGS = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Endings of files that are read whatever their name, if there is no other."""

Reader = Callable[[], Log]


def read_file(path: Path) -> Log:
    """Read one file by its name, or, if that says nothing, by how it starts.

    Raises:
        UserError: It cannot be read, or has no steps.
    """
    return _with_steps(_read_file(path))


def _read_file(path: Path) -> Log:
    if path.suffix == ".npz":
        return read_evaluations(path)
    start = content(path)[:4096]
    if is_events(start) or "tfevents" in path.name:
        return read_events([path])
    if start.startswith(MARK) or path.suffix == ".wandb":
        return read_wandb(path)
    if start.startswith(b"#{") or path.name.endswith("monitor.csv"):
        return read_monitors([path])
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") or ".json" in path.suffix:
        return read_lines(path)
    return read_delimited(path)


def read_folder(path: Path) -> tuple[Log, Path]:
    """Read the run in a folder, or in the only folder below it that holds one; say which it was.

    Raises:
        UserError: There is none, there are several, or it cannot be read.
    """
    folder = run_in(path)
    return _first(_readers(folder) or _lonely(folder)), folder


def run_in(path: Path) -> Path:
    """Return a folder if it holds a run itself, or else the only folder below it that does.

    Raises:
        UserError: There is none, or there are several.
    """
    if _readers(path) or _lonely(path):
        return path
    below: list[Path] = []
    for folder in _folders(path):
        if not set(below) & set(folder.parents) and _readers(folder):  # not the parts of a run
            below.append(folder)
    if not below:
        raise UserError(
            f"{path} holds no log: no metrics.jsonl, progress.csv, TensorBoard events, "
            "offline run of W&B or monitor.csv."
        )
    if len(below) > 1:
        names = listed(folder.relative_to(path).as_posix() for folder in below)
        raise UserError(
            f"{path} holds several runs: {names}; name one of them, or several to `plumbrl plot`."
        )
    return below[0]


def _first(readers: list[Reader]) -> Log:
    """Return what the first reader that succeeds finds; what kept others from it is noted."""
    failures: list[UserError] = []
    for reader in readers:
        try:
            log = _with_steps(reader())
        except UserError as error:
            failures.append(error)
            continue
        log.notes += [str(failure) for failure in failures]
        return log
    raise failures[0]


def _with_steps(log: Log) -> Log:
    if log.steps is None and step_column(log.columns) is None:
        raise UserError(f"{log.source} holds no rows with timesteps, such as global_step.")
    return log


def _readers(folder: Path) -> list[Reader]:
    """Return the readers of what lies in a folder, the most telling first."""
    files = _files(folder)
    known = [(read_lines, LINES[:1]), (read_delimited, TABLES), (read_lines, LINES[1:])]
    found: list[Reader] = [
        partial(read, files[name]) for read, names in known for name in names if name in files
    ]
    offline = [file for name, file in files.items() if name.endswith(".wandb")]
    if len(offline) > 1:
        raise UserError(
            f"{folder} holds several runs: {listed(p.name for p in offline)}; name one."
        )
    found += [partial(read_wandb, file) for file in offline]
    if events := [file for name, file in files.items() if "tfevents" in name]:
        found.append(partial(read_events, events))
    if monitors := [file for name, file in files.items() if name.endswith("monitor.csv")]:
        found.append(partial(read_monitors, monitors))
    if (folder / "scalars").is_dir():
        found.append(partial(read_scalars, folder / "scalars"))
    return found


def _lonely(folder: Path) -> list[Reader]:
    """Return the reader of the only log in a folder, whatever its name."""
    files = _files(folder)
    logs = [name for name in files if name.endswith(LOGS) and name not in OTHER_LINES]
    if not logs and "evaluations.npz" in files:
        logs = ["evaluations.npz"]
    return [partial(read_file, files[name]) for name in logs] if len(logs) == 1 else []


def _files(folder: Path) -> dict[str, Path]:
    try:
        return {file.name: file for file in sorted(folder.iterdir()) if file.is_file()}
    except OSError as error:
        raise UserError(f"Cannot read {folder}: {error.strerror}.") from None


def _folders(path: Path) -> Iterator[Path]:
    for found, (root, names, _) in enumerate(os.walk(path)):
        folder = Path(root)
        names[:] = sorted(names) if len(folder.relative_to(path).parts) < DEPTH else []
        if folder != path and os.access(folder, os.R_OK | os.X_OK):
            yield folder
        if found > MANY:
            return
