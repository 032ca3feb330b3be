"""CSV and its kin: SB3's `progress.csv`, exports, whatever a spreadsheet writes."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic_core import from_json

from plumbrl.errors import UserError
from plumbrl.logs.log import Log, lines_of, listed
from plumbrl.logs.names import is_step

Array = np.ndarray
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
TRUTH = {"true": 1.0, "false": 0.0}
WORDS_OF_JSON = {"nan": "NaN", "inf": "Infinity"}
BLOCK = 2048
"""Rows read at a time: fresh memory takes longer to get than numbers to read."""


def read_delimited(path: Path) -> Log:
    """Read a table whose first line names the columns, one of them of steps.

    Raises:
        UserError: It cannot be read, or holds no rows with steps.
    """
    notes: list[str] = []
    lines, torn = lines_of(path)
    if torn.strip():
        notes.append("The last line does not end and was left out.")
    lines = [line for line in lines if line.strip()]
    while len(lines) > 1 and lines[0].startswith("#") and not _has_step(lines[0]):
        del lines[0]
    if len(lines) < 2 or not _has_step(lines[0]):
        raise UserError(
            f"{path} holds no rows with timesteps: "
            "a first line of names is needed, such as global_step or time/total_timesteps."
        )
    lines[0] = lines[0].removeprefix("#").lstrip()
    key = next(cell for cell in _cells(lines[0]) if is_step(cell))
    columns = _of_one_run(read_table(lines, key, notes, path), path)
    return Log(path.name, columns, notes=notes, undefined=_undefined(lines, columns))


def read_table(lines: Sequence[str], key: str, notes: list[str], path: Path) -> dict[str, Array]:
    """Read the columns of a table.

    Args:
        lines: Its names, then its rows.
        key: A name; where it stands again in a row, names begin anew.
        notes: Is told of what had to be mended.
        path: For messages.
    """
    columns = _plain(lines)
    return _careful(lines, key, notes, path) if columns is None else columns


def _of_one_run(columns: dict[str, Array], path: Path) -> dict[str, Array]:
    """Undo W&B's export, which puts the run before every name and adds extremes."""
    if not any(name.endswith("__MIN") for name in columns):
        return columns
    runs = {name.rpartition(" - ")[0] for name in columns if not is_step(name)} - {""}
    if len(runs) > 1:
        raise UserError(f"{path} holds several runs: {listed(runs)}; export one alone.")
    plain = {name.rpartition(" - ")[2]: values for name, values in columns.items()}
    extremes = {f"{name}__{end}" for name in plain for end in ("MIN", "MAX")}
    return {name: values for name, values in plain.items() if name not in extremes}


def _undefined(lines: Sequence[str], columns: dict[str, Array]) -> set[str]:
    """Return the columns whose cells say NaN, for a column may as well be empty."""
    bare = {name for name, values in columns.items() if np.isnan(values).all()}
    places = [i for i, name in enumerate(_cells(lines[0])) if name in bare]
    if not places:
        return set()
    names = _cells(lines[0])
    rows = csv.reader(lines[1:], delimiter=_delimiter(lines[0]))
    said = {i for row in rows for i in places if i < len(row) and row[i].strip().lower() == "nan"}
    return {names[i] for i in said}


def _delimiter(header: str) -> str:
    return max(",\t;", key=header.count)


def _cells(header: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([header], delimiter=_delimiter(header)))]


def _has_step(header: str) -> bool:
    return any(is_step(cell) for cell in _cells(header.removeprefix("#")))


def _plain(lines: Sequence[str]) -> dict[str, Array] | None:
    """Read numbers and empty cells alone, which most logs are made of, fast; None if there is more.

    As JSON, for no other reader here makes numbers of as many digits so quickly.
    """
    delimiter, names, rows = _delimiter(lines[0]), _cells(lines[0]), lines[1:]
    if len(set(names)) < len(names) or {row.count(delimiter) for row in rows} != {len(names) - 1}:
        return None
    table = np.empty((len(names), len(rows)))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        values = _numbers_in(block, delimiter, len(block) * len(names))
        if values is None:
            return None
        table[:, start : start + BLOCK] = values.reshape(len(block), -1).T
    return {name: column for name, column in zip(names, table, strict=True) if name}


def _numbers_in(rows: Sequence[str], delimiter: str, count: int) -> Array | None:
    """Return the cells of rows one after the other, None unless all are numbers or empty."""
    text = delimiter.join(["[NaN", *rows, "NaN]"])  # with a cell at each end, all gaps look alike
    text = re.sub(f"{delimiter}(?={delimiter})", f"{delimiter}NaN", text)
    for word, of_json in WORDS_OF_JSON.items() if "n" in text else ():
        text = text.replace(word, of_json)
    text = text if delimiter == "," else text.replace(delimiter, ",")
    try:
        values = np.fromiter(from_json(text), np.float64)[1:-1]
    except (ValueError, TypeError, OverflowError):
        return None
    return values if len(values) == count else None


def _careful(lines: Sequence[str], key: str, notes: list[str], path: Path) -> dict[str, Array]:
    """Read a table in which anything may stand."""
    try:
        rows = list(csv.reader(lines, delimiter=_delimiter(lines[0])))
    except csv.Error as error:
        raise UserError(f"Cannot read {path}: {error}.") from None
    heads = [i for i, row in enumerate(rows) if i == 0 or key in row]
    if len(heads) > 1:
        notes.append("Names of columns stand in the middle, as after a restart.")
    count = len(rows) - len(heads)
    columns: dict[str, Array] = {}
    words: dict[str, int] = {}
    for part, (start, end) in enumerate(zip(heads, [*heads[1:], len(rows)], strict=True)):
        where = slice(start - part, end - part - 1)
        _add_block(rows[start:end], where, count, columns, words, notes)
    _drop_words(columns, words, notes)
    return columns


def _add_block(
    block: Sequence[Sequence[str]],
    where: slice,
    count: int,
    columns: dict[str, Array],
    words: dict[str, int],
    notes: list[str],
) -> None:
    """Read the rows under one header into their places."""
    names = [name.strip() for name in block[0]]
    rows = block[1:]
    if any(len(row) != len(names) for row in rows):
        notes.append("Some rows have more or fewer cells than there are columns.")
    twice = {name for name in names if names.count(name) > 1 and name}
    notes += [f"{name!r} stands twice; the last one was read." for name in sorted(twice)]
    for i, name in enumerate(names):
        if name:
            values, odd = _numbers([row[i] if i < len(row) else "" for row in rows], notes)
            columns.setdefault(name, np.full(count, np.nan))[where] = values
            words[name] = words.get(name, 0) + odd


def _drop_words(columns: dict[str, Array], words: dict[str, int], notes: list[str]) -> None:
    """Leave out columns of words alone; say where words stand among numbers."""
    for name in [name for name, odd in words.items() if odd]:
        if np.isnan(columns[name]).all():
            del columns[name]
            notes.append(f"{name!r} holds words and was left out.")
        else:
            notes.append(f"{name!r} holds words among its numbers; they count as missing.")


def _numbers(cells: Sequence[str], notes: list[str]) -> tuple[Array, int]:
    """Return the numbers in cells, NaN for other cells, and how many of these are words."""
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells]), 0
    except ValueError:
        pass
    read = [_number(cell.strip()) for cell in cells]
    if any("," in cell and value is not None for cell, value in zip(cells, read, strict=True)):
        note = "Commas in numbers were read as decimal points, or as parting thousands."
        if note not in notes:
            notes.append(note)
    odd = sum(value is None for value in read)
    return np.array([np.nan if value is None else value for value in read], dtype=np.float64), odd


def _number(cell: str) -> float | None:
    if cell == "" or cell.lower() in ("none", "null", "-"):
        return np.nan
    if THOUSANDS.fullmatch(cell):
        cell = cell.replace(",", "")
    elif cell.count(",") == 1 and "." not in cell:
        cell = cell.replace(",", ".")
    try:
        return float(cell)
    except ValueError:
        return TRUTH.get(cell.lower())
