"""What a reader finds in a file, before steps, names and facts are made one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.errors import UserError

Array = np.ndarray
WORDS_FOR_NUMBERS = {"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}
DEPTH = 8
"""Of names within names; what lies deeper is no metric."""


@dataclass
class Log:
    """Columns as they were written.

    Attributes:
        source: Where they were read, in words.
        columns: Arrays of the same length by their writer's names, NaN where a row has none.
        steps: Timesteps of every row, in order; None if they are one of the columns.
        settings: What the writer says of the run, in its own words.
        notes: What was left out or mended, a sentence each.
        undefined: Columns in which NaN was written, and never a number; empty cells are none.
    """

    source: str
    columns: dict[str, Array]
    steps: Array | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    undefined: set[str] = field(default_factory=set)


def content(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        UserError: It cannot be read, or is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from None
    if not data or data.isspace():
        raise UserError(f"{path} is empty.")
    return data


def lines_of(path: Path) -> tuple[list[str], str]:
    """Return the lines of a text file, and what comes after the last line's end.

    Raises:
        UserError: It cannot be read, or holds no text.
    """
    data = content(path)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = data.decode(encoding, errors="replace")
    if "\0" in text or text.count("\ufffd") > len(text) // 20:
        raise UserError(f"{path} is no log that can be read here: it holds no text.")
    *whole, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return whole, rest


def listed(names: Iterable[str], most: int = 6) -> str:
    """Return names for a sentence, the first ones if they are many."""
    known = sorted(names)
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


def number(value: Any) -> float | None:
    """Return what a logger meant by a value; NaN for null, None for what is no number."""
    if value is None:
        return nan
    if isinstance(value, str) and value.strip().lower() not in WORDS_FOR_NUMBERS:
        return None
    try:
        return float(value)
    except OverflowError:
        return inf if not str(value).startswith("-") else -inf
    except (TypeError, ValueError):
        return None


def numbers(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, float]]:
    """Yield the numbers of a record by name; names within names are joined by a slash."""
    for key, value in record.items():
        if type(value) is float:  # most are, and there may be millions
            yield prefix + key, value
        elif isinstance(value, Mapping):
            if prefix.count("/") < DEPTH:
                yield from numbers(value, f"{prefix}{key}/")
        elif (known := number(value)) is not None:
            yield f"{prefix}{key}", known


def columns_of(rows: Iterable[Iterable[tuple[str, float]]]) -> dict[str, Array]:
    """Return the columns of rows that may have different names, NaN where a row has none."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    count = 0
    for row in rows:
        for name, value in row:
            if name not in found:
                found[name] = ([], [])
            where, values = found[name]
            where.append(count)
            values.append(value)
        count += 1
    columns = {name: np.full(count, np.nan) for name in found}
    for name, (where, values) in found.items():
        columns[name][where] = values
    return columns
