"""Bytes that travel beside the body, in buffers of their own, so that nobody copies them on the way.

To a transport, each buffer is one part more. Measured over ZeroMQ, a part costs 4 to 8 µs for both sides together;
bytes in the body are copied four times, which is cheaper up to about 16 KiB.
"""

import array
import sys
from pickle import PickleBuffer
from typing import Any, Final

from sage.transports.codec.marks import ARRAY, BUFFER, BYTES, VIEW, Mark, extension
from sage.transports.errors import CodecError

__all__ = [
    "BUFFER_HEAD",
    "LARGE",
    "MARKS",
    "WRITERS",
    "LargeBytes",
    "goes_beside",
    "lifted",
    "read_data",
]

# From here on, what is sent without a copy goes beside, unless so many others of the same message do.
_SMALL: Final = 1 << 14
_MANY: Final = 64

#: From here on, it goes beside in any case. `bytes`, too, which arrive as `bytes` and so are copied once more.
LARGE: Final = 1 << 17

#: Stands for the next buffer.
BUFFER_HEAD: Final = extension(BUFFER)

# A list or dict with more entries than that is not searched for large bytes.
_FEW: Final = 64
# Nor is what lies deeper than that.
_DEPTH: Final = 2

_TYPECODES: Final = frozenset("bBhHiIlLqQfd")


def goes_beside(size: int, buffers: list[Any]) -> bool:
    """Whether data of `size` bytes goes beside a message that has those buffers already."""
    return size >= _SMALL and (size >= LARGE or len(buffers) < _MANY)


def read_data(data: object) -> bytes | memoryview:
    """What was written inline or beside; anything else is refused."""
    if type(data) is memoryview or type(data) is bytes:
        return data
    raise CodecError("its data are no bytes")


class LargeBytes:
    """Stands for `bytes` that go beside: msgpack packs all `bytes` by itself, and asks nobody."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content


def lifted(value: Any, depth: int = _DEPTH) -> Any:
    """`value` with `LargeBytes` for the large `bytes` near its surface, copying no more than the containers above them.

    The rest is not searched: that would take longer than packing.
    """
    kind = type(value)
    if kind is bytes:
        return LargeBytes(value) if len(value) >= LARGE else value
    if depth and kind is list and len(value) <= _FEW:
        return [lifted(item, depth - 1) for item in value]
    if depth and kind is dict and len(value) <= _FEW:
        return {key: lifted(item, depth - 1) for key, item in value.items()}
    return value


def _write_large_bytes(value: LargeBytes, buffers: list[Any]) -> Any:
    buffers.append(memoryview(value.content))
    return [_BYTES.head, BUFFER_HEAD]


def _read_bytes(items: list[Any]) -> bytes:
    _, data = items
    return bytes(read_data(data))


def _write_pickle_buffer(value: PickleBuffer, buffers: list[Any]) -> Any:
    view = value.raw()
    if goes_beside(view.nbytes, buffers):
        buffers.append(view)
        return BUFFER_HEAD
    return [_VIEW.head, view]


def _read_view(items: list[Any]) -> memoryview:
    _, data = items
    return memoryview(read_data(data))


def _write_array(value: "array.array[Any]", buffers: list[Any]) -> Any:
    if value.typecode not in _TYPECODES:
        raise CodecError(f"an array of typecode {value.typecode!r} does not travel: send a str")
    order = "<" if sys.byteorder == "little" else ">"
    data: Any = BUFFER_HEAD
    if goes_beside(len(value) * value.itemsize, buffers):
        buffers.append(memoryview(value).cast("B"))
    else:
        data = value.tobytes()
    return [_ARRAY.head, value.typecode, value.itemsize, order, data]


def _read_array(items: list[Any]) -> "array.array[Any]":
    _, typecode, itemsize, order, data = items
    if typecode not in _TYPECODES or order not in ("<", ">"):
        raise CodecError(f"there is no array of typecode {typecode!r} and byte order {order!r}")
    value: array.array[Any] = array.array(typecode)
    if value.itemsize != itemsize:
        raise CodecError(f"typecode {typecode!r} has {value.itemsize} bytes here, not {itemsize}")
    value.frombytes(read_data(data))
    if (order == "<") != (sys.byteorder == "little"):
        value.byteswap()
    return value


_BYTES = Mark("bytes", extension(BYTES), _read_bytes)
_VIEW = Mark("a memoryview", extension(VIEW), _read_view)
_ARRAY = Mark("an array.array", extension(ARRAY), _read_array)

#: How the arrays of this module are read, by code.
MARKS: Final = {BYTES: _BYTES, VIEW: _VIEW, ARRAY: _ARRAY}

#: How values of these types are written; the second argument is where buffers go.
WRITERS: Final[dict[type[Any], Any]] = {
    LargeBytes: _write_large_bytes,
    PickleBuffer: _write_pickle_buffer,
    array.array: _write_array,
}
