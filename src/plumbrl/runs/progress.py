"""`progress.csv`: one row per update, never half a file, and rows can be taken back."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plumbrl.runs.files import whole


class ProgressFile:
    """A CSV file that grows by rows and, when a new key appears, by columns.

    A new column rewrites the file under a temporary name first, so a reader, or a process that was
    killed, always leaves a whole file; only the last row can be torn.

    Args:
        path: The file; rows that are already in it are kept.
        keep: How many of them; the rest is cut off, as when a run goes on from an earlier moment.
    """

    def __init__(self, path: Path, keep: int | None = None) -> None:
        self._path = path
        self._keys, self._rows = read_progress(path) if path.exists() else ([], [])
        if keep is not None:
            self._rows = self._rows[:keep]
        if path.exists():
            self._rewrite()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def append(self, values: Mapping[str, Any]) -> None:
        """Add a row; keys it lacks stay empty, keys it brings become columns at the end."""
        row = {key: _text(value) for key, value in values.items()}
        self._rows.append(row)
        new = [key for key in row if key not in self._keys]
        if new:
            self._keys += sorted(new)
            self._rewrite()
        else:
            with self._path.open("a", newline="") as file:
                file.write(_lines(self._keys, [row]))

    def _rewrite(self) -> None:
        header = {key: key for key in self._keys}
        with whole(self._path) as temporary:
            temporary.write_text(_lines(self._keys, [header, *self._rows]))


def read_progress(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the keys and rows of a `progress.csv`; a torn last row is left out."""
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole))
    rows = [{k: v for k, v in row.items() if k is not None and v} for row in reader]
    return list(reader.fieldnames or []), rows


def _lines(keys: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([row.get(key, "") for key in keys] for row in rows)
    return out.getvalue()


def _text(value: Any) -> str:
    if hasattr(value, "item"):
        value = value.item()
    return repr(value) if isinstance(value, float) else str(value)
