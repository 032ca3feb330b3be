"""TensorBoard's event files, read without TensorBoard.

A file is a row of records (length, checksum of the length, payload, checksum), each an ``Event`` of
https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.errors import UserError
from plumbrl.logs.log import Log, content
from plumbrl.logs.order import aligned
from plumbrl.logs.wire import UNREADABLE, fields, integer, text

DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
FLOATS, DOUBLES, TEXTS = 5, 6, 8
MARK = b"brain.Event:"
MASK = 0xA282EAD8


class Scalars:
    """What the event files of one run hold."""

    def __init__(self) -> None:
        self.series: dict[str, tuple[list[int], list[float]]] = {}
        self.texts: dict[str, str] = {}
        self.settings: dict[str, Any] = {}

    def add(self, event: bytes) -> None:
        """Take over one event."""
        step = 0
        for number, value in fields(event):
            if number == 2:
                step = integer(value)
            elif number == 5:
                for inner, summary in fields(value):
                    if inner == 1:
                        self._add_value(summary, step)

    def _add_value(self, summary: bytes, step: int) -> None:
        tag, found, metadata = "", None, b""
        for number, value in fields(summary):
            if number == 1:
                tag = text(value)
            elif number == 2:
                found = struct.unpack("<f", value)[0]
            elif number == 8:
                found = _tensor(value)
            elif number == 9:
                metadata = value
        if isinstance(found, float):
            steps, values = self.series.setdefault(tag, ([], []))
            steps.append(step)
            values.append(found)
        elif isinstance(found, str):
            self.texts[tag] = found
        elif b"hparams" in metadata:
            self.settings |= _hparams(metadata)


def read_events(files: Sequence[Path]) -> Log:
    """Read the event files of one run, oldest first.

    Raises:
        UserError: None of them holds scalars.
    """
    notes: list[str] = []
    scalars = Scalars()
    for data in sorted((content(file) for file in files), key=_age):
        _read_into(scalars, data, notes)
    if not scalars.series:
        raise UserError(f"{files[0]} holds no scalars of TensorBoard.")
    series = {
        tag: (np.array(steps, dtype=np.float64), np.array(values))
        for tag, (steps, values) in scalars.series.items()
    }
    steps, columns = aligned(series, notes)
    settings = _table(scalars.texts.get("hyperparameters/text_summary", "")) | scalars.settings
    undefined = {tag for tag, (_, values) in series.items() if np.isnan(values).all()}
    return Log("TensorBoard", columns, steps, settings, notes, undefined)


def is_events(start: bytes) -> bool:
    """Whether a file that starts like this holds events."""
    return MARK in start[12:64]


def _read_into(scalars: Scalars, data: bytes, notes: list[str]) -> None:
    damaged = 0
    for event in _records(data, notes):
        try:
            scalars.add(event)
        except UNREADABLE:
            damaged += 1
    if damaged:
        notes.append(f"{damaged} damaged records of an event file were left out.")


def _records(data: bytes, notes: list[str]) -> Iterator[bytes]:
    at = 0
    while at + 12 <= len(data):
        size, check = struct.unpack_from("<QI", data, at)
        if _checksum(data[at : at + 8]) != check:
            notes.append("An event file is damaged; what follows the damage was left out.")
            return
        if at + 12 + size + 4 > len(data):
            break
        yield data[at + 12 : at + 12 + size]
        at += 16 + size
    if at < len(data):
        notes.append("The last record of an event file is torn and was left out.")


def _age(data: bytes) -> float:
    """Return the wall time of the first event."""
    return struct.unpack_from("<d", data, 13)[0] if len(data) > 21 and data[12] == 9 else 0.0


def _tensor(data: bytes) -> float | str | None:
    """Return the number or the text in a tensor of one entry; None if it holds anything else."""
    kind, raw, values = 0, b"", []
    for number, value in fields(data):
        if number == 1:
            kind = value
        elif number == 4:
            raw = value
        elif number in (FLOATS, DOUBLES):
            values += np.frombuffer(value, "<f4" if number == FLOATS else "<f8").tolist()
        elif number == TEXTS:
            return text(value)
    if raw and kind in DTYPES:
        values = np.frombuffer(raw, DTYPES[kind]).astype(float).tolist()
    return float(values[0]) if len(values) == 1 else None


def _table(markdown: str) -> dict[str, str]:
    """Return the settings of CleanRL: a table of names and values."""
    cells = [line.strip().strip("|").split("|", 1) for line in markdown.splitlines()[2:]]
    return {pair[0].strip(): pair[1].strip() for pair in cells if len(pair) == 2}


def _hparams(metadata: bytes) -> dict[str, Any]:
    """Return the hyperparameters that SB3's and torch's `HParam` leave in a tag's metadata."""
    found = {}
    for content_ in _inside(metadata, 1, 2, 3, 1):
        entry = dict(fields(content_))
        value = dict(fields(entry.get(2, b"")))
        plain = struct.unpack("<d", value[2])[0] if 2 in value else value.get(4)
        found[text(entry.get(1, b""))] = text(value[3]) if 3 in value else plain
    return found


def _inside(data: bytes, *path: int) -> Iterator[bytes]:
    for number, value in fields(data):
        if number == path[0]:
            if len(path) == 1:
                yield value
            else:
                yield from _inside(value, *path[1:])


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC = _crc_table()


def _checksum(data: bytes) -> int:
    """Return TFRecord's masked CRC-32C."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return (crc >> 15 | crc << 17) + MASK & 0xFFFFFFFF
