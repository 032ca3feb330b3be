"""Where runs are, told by what lies in a folder; each is called by a name that is no path."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from pathlib import Path

LOGS = ("metrics.jsonl", "progress.csv")
"""What a training writes row by row."""
MARKS = ("manifest.json", "metrics.jsonl", "progress.csv")
"""Files that only a run has."""
DEPTH = 6
"""How far below a given folder runs are looked for."""
MANY = 5000
"""Folders that are looked at before looking stops."""

SLACK = 10.0
"""Seconds by which a report may be older than the log that it is about, as in a copied folder."""

Files = Mapping[str, tuple[int, int]]
"""Time of the last change (ns) and size (bytes) by name: as long as it is the same, so is all that
was read."""


@dataclass(frozen=True)
class Run:
    """A folder that holds a run.

    Attributes:
        id: In addresses; a path cannot be made from it.
        path: Absolute, without links.
        label: Where it lies below the given folder.
        files: In it; those of `episodes/` with the folder before their names.
        stray: A link among them that leads out of the given folder; empty if there is none.
    """

    id: str
    path: Path
    label: str
    files: Files = field(hash=False)
    stray: str = ""

    @property
    def reported(self) -> bool:
        """Whether there is a report, and nothing was logged since."""
        logged = max((self.files[name][0] for name in LOGS if name in self.files), default=0)
        return "report.json" in self.files and self.files["report.json"][0] >= logged - SLACK * 1e9


def find_runs(roots: Sequence[Path]) -> dict[str, Run]:
    """Return the runs in and below folders, by id. Linked folders are not entered.

    Args:
        roots: That are gone hold nothing.
    """
    found: dict[str, Run] = {}
    for root in roots:
        home = root.resolve()
        for folder in _folders(home):
            run = look(folder, home)
            if run is not None:
                found.setdefault(run.id, run)
    return found


def look(folder: Path, home: Path) -> Run | None:
    """Return the run in one folder; None if it holds none, or is gone.

    Args:
        folder: Absolute, without links.
        home: The given folder that it is, or lies in.
    """
    files: dict[str, tuple[int, int]] = {}
    stray = ""
    for name, entry in (*_entries(folder), *_entries(folder / "episodes", "episodes/")):
        if entry.is_symlink() and not _inside(Path(entry.path), home):
            stray = stray or name
            continue
        try:
            known = entry.stat()
            if entry.is_file():
                files[name] = (known.st_mtime_ns, known.st_size)
        except OSError:
            continue
    if not any(mark in files or mark == stray for mark in MARKS):
        return None
    label = folder.relative_to(home).as_posix() if folder != home else folder.name
    return Run(_id(folder), folder, label, files, stray)


def open_file(run: Run, name: str, home: Path) -> Path | None:
    """Return the path of a file of a run; None unless it is one, and no link leads out with it."""
    path = run.path / name
    return path if name in run.files and _inside(path, home) and path.is_file() else None


def _folders(home: Path) -> Iterator[Path]:
    """Yield a folder and those below it; what is in a run is a part of it, and no run."""
    for seen, (root, names, files) in enumerate(os.walk(home)):
        folder = Path(root)
        yield folder
        deep = len(folder.relative_to(home).parts) >= DEPTH
        inside = not set(MARKS).isdisjoint(files)
        names[:] = [] if deep or inside else sorted(n for n in names if not n.startswith("."))
        if seen >= MANY:
            return


def _entries(folder: Path, before: str = "") -> list[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            return [(f"{before}{e.name}", e) for e in entries if not e.name.startswith(".")]
    except OSError:
        return []


def _inside(path: Path, home: Path) -> bool:
    try:
        return path.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a link to itself
        return False


def _id(folder: Path) -> str:
    return blake2s(os.fsencode(folder), digest_size=6).hexdigest()
