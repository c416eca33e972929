"""NumPy's arrays and scalars.

NumPy is used only if the program uses it: an array can only be sent by a program that has loaded it, and is loaded at
the latest when an array arrives. An array that arrives is read where it lies: it can be written to only if the buffer
it came in can, and never if it came inside the body. `array.copy()` gives one of your own.
"""

import math
import sys
from collections.abc import Callable
from importlib import import_module
from pickle import PickleBuffer
from typing import Any, Final

from sage.transports.codec.buffers import BUFFER_HEAD, goes_beside, read_data
from sage.transports.codec.dtypes import read_dtype, write_dtype
from sage.transports.codec.marks import NDARRAY, NUMPY_SCALAR, Mark, extension
from sage.transports.errors import CodecError

__all__ = ["MARKS", "numpy_writer"]

Writer = Callable[[Any, list[Any]], Any]


def numpy_writer(cls: type[Any]) -> Writer | None:
    """How values of this class are written, if it is one of NumPy's that travel."""
    if cls.__module__ != "numpy":  # which also tells that it is loaded
        return None
    numpy = sys.modules["numpy"]
    if cls is numpy.ndarray:
        return _write_array
    return _write_scalar if issubclass(cls, numpy.generic) else None


def _loaded_numpy() -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        return numpy
    try:
        return import_module("numpy")
    except ImportError as error:
        raise CodecError("NumPy is not installed here: pip install numpy") from error


def _write_array(value: Any, buffers: list[Any]) -> list[Any]:
    description = write_dtype(sys.modules["numpy"].dtype, value.dtype)
    flags = value.flags
    order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    data: Any = BUFFER_HEAD
    if goes_beside(value.nbytes, buffers):
        buffers.append(_flat(value if flags.forc else value.copy(), order))
    else:
        data = value.tobytes(order)
    return [_NDARRAY.head, description, order, data, *value.shape]


def _flat(value: Any, order: str) -> memoryview:
    """The memory of an array without gaps, as bytes."""
    try:
        return PickleBuffer(value).raw()
    except ValueError:  # not every dtype has a format
        flat: memoryview = value.reshape(-1, order=order).view("u1").data
        return flat


def _read_array(items: list[Any]) -> Any:
    _, description, order, data, *shape = items
    numpy = _loaded_numpy()
    dtype = read_dtype(numpy.dtype, description)
    data = read_data(data)
    if order not in ("C", "F") or not {*map(type, shape)} <= {int} or min(shape, default=0) < 0:
        raise CodecError(f"an array of shape {tuple(shape)!r:.100} and order {order!r:.10} cannot be")
    size = len(data)
    if math.prod(shape) * dtype.itemsize != size:
        raise CodecError(f"an array of shape {tuple(shape)!r:.100} and type {dtype!r} does not have {size} bytes")
    # Of a memoryview, NumPy would keep what lies below, but not itself: its owner could take the memory back.
    return numpy.ndarray(tuple(shape), dtype, PickleBuffer(data), 0, None, order)


def _write_scalar(value: Any, buffers: list[Any]) -> list[Any]:
    dtype = value.dtype
    if dtype.kind in "US":
        # As str and bytes, which a slice of them is: NumPy cuts zeros at the end off what it reads from memory.
        return [_NUMPY_SCALAR.head, dtype.kind, value[:]]
    return [_NUMPY_SCALAR.head, write_dtype(sys.modules["numpy"].dtype, dtype), value.tobytes()]


def _read_scalar(items: list[Any]) -> Any:
    _, description, data = items
    numpy = _loaded_numpy()
    if description == "U" and type(data) is str:
        return numpy.str_(data)
    data = read_data(data)
    if description == "S":
        return numpy.bytes_(data)
    dtype = read_dtype(numpy.dtype, description)
    if dtype.itemsize != len(data):
        raise CodecError(f"a scalar of type {dtype!r} does not have {len(data)} bytes")
    return numpy.ndarray((), dtype, data)[()]


_NDARRAY = Mark("a NumPy array", extension(NDARRAY), _read_array)
_NUMPY_SCALAR = Mark("a NumPy scalar", extension(NUMPY_SCALAR), _read_scalar)

#: How the arrays of this module are read, by code.
MARKS: Final = {NDARRAY: _NDARRAY, NUMPY_SCALAR: _NUMPY_SCALAR}
