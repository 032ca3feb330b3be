"""Logs of one JSON object a line: ours, SB3's `progress.json`, exports of W&B, anybody's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plumbrl.errors import UserError
from plumbrl.logs.log import Log, columns_of, lines_of, numbers

SCHEMA = 1


def read_lines(path: Path) -> Log:
    """Read a file of JSON objects, one a line or in one list.

    Our own `metrics.jsonl` begins with a line of facts; see docs/run-folder.md.

    Raises:
        UserError: There is no line that can be read, or it is written in a later schema.
    """
    notes: list[str] = []
    lines, rest = lines_of(path)
    records = _records([*lines, rest], notes)
    if not records:
        raise UserError(f"{path} holds no JSON objects.")
    settings: dict[str, Any] = {}
    if "schema" in records[0] and "facts" in records[0]:
        settings = _facts(records.pop(0), path)
    rows = (numbers(_row(record)) for record in records)
    return Log(path.name, columns_of(rows), settings=settings, notes=notes)


def _records(lines: list[str], notes: list[str]) -> list[Mapping[str, Any]]:
    if lines and lines[0].lstrip().startswith("["):
        lines = ["".join(lines)]
    found, damaged = [], 0
    for line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            damaged += 1
            continue
        values = value if isinstance(value, list) else [value]
        objects = [each for each in values if isinstance(each, Mapping)]
        damaged += len(values) - len(objects)
        found += objects
    if damaged:
        notes.append(f"{damaged} line{'s' * (damaged > 1)} without a JSON object left out.")
    return found


def _facts(first: Mapping[str, Any], path: Path) -> dict[str, Any]:
    if first["schema"] != SCHEMA:
        raise UserError(
            f"{path} has schema {first['schema']!r:.30}, not {SCHEMA}, as is read here."
        )
    return dict(first["facts"]) if isinstance(first["facts"], Mapping) else {}


def _row(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record with its metrics at the top, as ours are one level down."""
    metrics = record.get("metrics")
    if not isinstance(metrics, Mapping):
        return record
    return {**metrics, **{key: value for key, value in record.items() if key != "metrics"}}
