"""W&B's offline files (`run-*.wandb`), read without W&B.

A file is a LevelDB log: blocks of 32 KiB with pieces of records (checksum, length, kind), each
record a ``Record`` of https://github.com/wandb/wandb/blob/main/wandb/proto/wandb_internal.proto
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plumbrl.errors import UserError
from plumbrl.logs.log import Log, columns_of, content, numbers
from plumbrl.logs.wire import UNREADABLE, fields, integer, text

MARK = b":W&B"
BLOCK, HEADER = 32 * 1024, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
HISTORY, CONFIG, RUN = 2, 5, 17
KEY, NESTED_KEY, INTEGER, NUMBER, VALUE_JSON = 1, 2, 5, 6, 16


def read_wandb(path: Path) -> Log:
    """Read an offline run.

    Raises:
        UserError: It is none, or nothing was logged.
    """
    data = content(path)
    if not data.startswith(MARK):
        raise UserError(f"{path} is no offline run of W&B.")
    notes: list[str] = []
    rows: list[list[tuple[str, float]]] = []
    settings: dict[str, Any] = {}
    for record in _records(data, notes):
        try:
            _take(record, rows, settings)
        except UNREADABLE:
            notes.append("A damaged record of W&B was left out.")
    if not rows:
        raise UserError(f"{path} is a run of W&B in which nothing was logged.")
    return Log("W&B", columns_of(rows), settings=settings, notes=sorted(set(notes)))


def _take(record: bytes, rows: list[list[tuple[str, float]]], settings: dict[str, Any]) -> None:
    for number, value in fields(record):
        if number == HISTORY:
            rows.append(list(numbers(dict(_item(item) for n, item in fields(value) if n == 1))))
        elif number == CONFIG:
            settings |= _config(value)
        elif number == RUN:
            for inner, config in fields(value):
                if inner == 4:
                    settings |= _config(config)


def _config(data: bytes) -> dict[str, Any]:
    return dict(_item(item) for number, item in fields(data) if number == 1)


def _item(data: bytes) -> tuple[str, Any]:
    """Return name and value of an item of history or configuration."""
    names, found = [], None
    for number, value in fields(data):
        if number in (KEY, NESTED_KEY):
            names.append(text(value))
        elif number == INTEGER:
            found = integer(value)
        elif number == NUMBER:
            found = struct.unpack("<d", value)[0]
        elif number == VALUE_JSON:
            found = json.loads(text(value))
    return "/".join(names), found


def _records(data: bytes, notes: list[str]) -> Iterator[bytes]:
    pieces: list[bytes] = []
    for kind, piece in _pieces(data, notes):
        if kind in (FULL, FIRST):
            pieces = []
        pieces.append(piece)
        if kind in (FULL, LAST):
            yield b"".join(pieces)
            pieces = []


def _pieces(data: bytes, notes: list[str]) -> Iterator[tuple[int, bytes]]:
    at = HEADER
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        check, size, kind = struct.unpack_from("<IHB", data, at)
        piece = data[at + HEADER : at + HEADER + size]
        if kind == 0 and size == 0:  # the rest of a block that was not filled
            at += left
            continue
        if len(piece) < size:
            notes.append("The last record of W&B is torn and was left out.")
            return
        if zlib.crc32(piece, zlib.crc32(bytes([kind]))) == check:
            yield kind, piece
            at += HEADER + size
        else:
            notes.append("A damaged block of W&B was left out.")
            at += left
