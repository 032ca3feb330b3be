"""Turn arrays, tuples and queues into what torch stores without a pickle of anything but data."""

import json
from typing import Any

import numpy as np
import torch

ARRAY, TUPLE, BIG = "<array>", "<tuple>", "<integer>"


def to_plain(value: Any) -> Any:
    """Return `value` made of tensors, numbers, text, lists and dictionaries only.

    Raises:
        TypeError: There is something else in it.
    """
    if isinstance(value, dict):
        return {_key(key): to_plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return {TUPLE: [to_plain(part) for part in value]}
    if isinstance(value, list):
        return [to_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return {ARRAY: torch.from_numpy(_storable(value).copy()), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return to_plain(np.asarray(value))
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return {BIG: str(value)}
    if value is None or isinstance(value, torch.Tensor | bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is no plain data")


def from_plain(value: Any) -> Any:
    """Undo `to_plain`; a number that came as a numpy scalar returns as an array without axes."""
    if isinstance(value, list):
        return [from_plain(part) for part in value]
    if not isinstance(value, dict):
        return value
    if ARRAY in value:
        return value[ARRAY].numpy().view(np.dtype(value["dtype"]))
    if TUPLE in value:
        return tuple(from_plain(part) for part in value[TUPLE])
    if BIG in value:
        return int(value[BIG])
    return {_unkey(key): from_plain(part) for key, part in value.items()}


def _storable(array: np.ndarray) -> np.ndarray:
    """Torch knows fewer unsigned types than numpy: their bytes are stored as signed ones."""
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        return np.ascontiguousarray(array).view(f"i{array.dtype.itemsize}")
    if array.dtype.kind not in "buif":
        raise TypeError(f"an array of {array.dtype} is no plain data")
    return array


def _key(key: Any) -> Any:
    """Optimisers count their parameters with whole numbers."""
    if isinstance(key, str | int):
        return key
    raise TypeError(f"{json.dumps(str(key))} is no plain key")


def _unkey(key: Any) -> Any:
    return key
