"""Read what a pickle says without doing what it says.

Unpickling calls whatever functions the file names. Here every name becomes either one of our own
builders of plain numpy arrays, or an inert object that only keeps what it is given; a name from
any other library is refused. So the numbers of a `VecNormalize` can be read from a file that
nobody vouches for.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from plumbrl.errors import UserError

Array = np.ndarray
KNOWN = ("stable_baselines3", "sb3_contrib", "gymnasium", "numpy", "plumbrl")
"""Libraries whose objects are kept as `Inert`."""


class Inert:
    """Stands for an object of a pickle: has its attributes, and none of its behaviour."""

    origin = ""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> "Inert":
        """Accept any arguments and ignore them."""
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({str(key): value for key, value in state.items()})


class _Dtype:
    """A number type; anything but numbers and booleans is refused."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.dtype = np.dtype(code if isinstance(code, str) else object)

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])

    def read(self, data: Any) -> Array:
        if self.dtype.kind not in "biuf" or not isinstance(data, bytes | bytearray | memoryview):
            raise pickle.UnpicklingError(f"an array of {self.dtype}")
        return np.frombuffer(data, self.dtype)


class _Array:
    """An array under construction; `numpy.asarray` gives the finished one."""

    def __init__(self, *_: Any) -> None:
        self._array: Array | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if isinstance(dtype, _Dtype) and dtype.dtype.kind in "biuf":
            self._array = dtype.read(data).reshape(shape, order="F" if fortran else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self._array is None:
            raise pickle.UnpicklingError("an array without numbers")
        return np.array(self._array, dtype=dtype)


def _from_buffer(data: Any, dtype: _Dtype, shape: Any, order: str, *_: Any) -> Array:
    return dtype.read(data).reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: _Dtype, data: Any) -> Any:
    return dtype.read(data)[0]


class _Builder:
    """A function that a pickle can call but not change, as it could a function's own attributes."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *args: Any) -> Any:
        return self._make(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a change of a function")


BUILDERS = {
    "_reconstruct": _Builder(_Array),
    "ndarray": _Builder(_Array),
    "dtype": _Builder(_Dtype),
    "scalar": _Builder(_scalar),
    "_frombuffer": _Builder(_from_buffer),
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        root = module.partition(".")[0]
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if root == "numpy" and name in BUILDERS:
            return BUILDERS[name]
        if root in KNOWN:
            return type(name.rpartition(".")[2], (Inert,), {"origin": f"{module}.{name}"})
        raise pickle.UnpicklingError(f"{module}.{name}")


def read_inert(data: bytes, what: str) -> Any:
    """Read a pickle without running anything in it.

    Args:
        data: The pickle.
        what: Its name in the error message.

    Returns:
        Plain data, `Inert` objects with attributes, and arrays (through ``numpy.asarray``).

    Raises:
        UserError: It is no pickle, or it names something that is not plain data.
    """
    try:
        return _Reader(io.BytesIO(data)).load()
    except pickle.UnpicklingError as error:
        said = " ".join(str(error).split())
        raise UserError(
            f"{what} was refused: its pickle asks for {said}, which is not plain numbers; "
            "--trust loads it and runs whatever it holds."
        ) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(f"{what} cannot be read: {' '.join(str(error).split())}.") from None
