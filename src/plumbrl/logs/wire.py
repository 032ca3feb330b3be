"""Protocol buffers as they lie in a file: numbered fields without their schema.

TensorBoard and W&B both write them; the few fields of use here need neither package.
Format: https://protobuf.dev/programming-guides/encoding/
"""

import struct
from collections.abc import Iterator
from typing import Any

UNREADABLE = (ValueError, TypeError, struct.error, RecursionError)
"""What reading damaged bytes may raise; a field of the wrong kind is a TypeError."""


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value of every field: an int for varints, else bytes.

    Raises:
        ValueError: These bytes are no message.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, at = _varint(data, at)
        if size is None or at + size > end:
            raise ValueError("no message")
        yield tag >> 3, data[at : at + size]
        at += size


def integer(value: int) -> int:
    """Return the int64 that a varint field stands for.

    Raises:
        TypeError: The field is of another kind.
    """
    if not isinstance(value, int):
        raise TypeError("no varint")
    return value - (1 << 64) if value >= 1 << 63 else value


def text(value: bytes) -> str:
    """Return a string field."""
    return str(value, encoding="utf-8", errors="replace")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("no varint")
