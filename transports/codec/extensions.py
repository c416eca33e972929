"""What the codec makes of msgpack: the layout of every body, and the table of extensions.

Msgpack by itself carries `None`, `bool`, `int` of 64 bits, `float`, `str` (UTF-8; no lone surrogates), `bytes`, `list`
and `dict` (with keys of any type here). `bytearray` and `memoryview` are packed as `bytes` and arrive as such: of a
view the bytes, but neither its format nor its shape, which a NumPy array keeps. Exact types only. Numbers of several
bytes inside payloads are big-endian; `[...]` is a msgpack array, `{...}` a map.

**A body** is ``[sizes, [item, ...]]``. `sizes` is nil when each item counts as one record, else ``[size, ...]``, one
number for each item. What travels as one value is a body of one item without sizes. **Buffers** are byte strings beside
the body. They are used in the order in which their stand-ins (code 32) appear, each once, none left over.

**Marks** are extension values with an empty payload (unless stated) that stand first in an array and say what the array
is. They occur nowhere else. `data` is either a msgpack bin or a buffer's stand-in.

====  =============  ===============================================================================================
code  is             array
====  =============  ===============================================================================================
1     tuple          [mark, element, ...]
2     set            [mark, element, ...]                  in any order
3     frozenset      [mark, element, ...]                  in any order
4     range          [mark, start, stop, step]             integers
5     slice          [mark, start, stop, step]
6     bytes          [mark, data]                          for large ones; arrives as bytes
7     memoryview     [mark, data]                          what `pickle.PickleBuffer` wraps; arrives as memoryview
8     array.array    [mark, typecode, itemsize, order, data]   order of bytes: "<" or ">"
9     NumPy array    [mark, dtype, order, data, length, ...]   order "C" or "F"; a length for each dimension;
                                                           dtype as told in `dtypes`
10    NumPy scalar   [mark, dtype, bin]; [mark, "U", str]; [mark, "S", bin]
11    registered     dataclass: [mark, {field: value, ...}]; NamedTuple: [mark, value, ...];
                     Enum: [mark, name], Flag: [mark, value]; others: [mark, what `encode` gave].
                     The payload is the registered name in UTF-8, at most 255 bytes
12    pickled        [mark, data, data, ...]               the pickle (protocol 5), then its out-of-band buffers
====  =============  ===============================================================================================

**Other extensions** are values by themselves; this is their payload.

====  =============  ===============================================================================================
code  is             payload
====  =============  ===============================================================================================
32    next buffer    empty. By itself, not as `data`, it arrives as memoryview
33    int            two's complement, for integers beyond 64 bits
34    Decimal        as text in ASCII: "1.10", "-0E+3", "NaN", "sNaN12", "-Infinity"
35    complex        real and imaginary part, 8 bytes each (IEEE 754)
36    UUID           16 bytes
37    date           year (2), month (1), day (1)
38    time           hour (1), minute (1), second (1), microsecond (4), fold (1), zone
39    datetime       date, time
40    timedelta      days (4, signed), seconds (4), microseconds (4)
41    path           "P" (posix), "W" (windows): pure; "p", "w": concrete; then the path in UTF-8
42    time zone      zone, not 0
====  =============  ===============================================================================================

A *zone* is one byte: 0 for none, 1 for UTC, 2 for a fixed offset, followed by microseconds east of UTC (8, signed) and
the zone's name in UTF-8 (empty if it has none of its own), 3 for a zone of the IANA database, followed by its key.
Code -1 is msgpack's own timestamp and arrives as `msgpack.Timestamp`.
"""

import datetime
import decimal
import pathlib
import re
import struct
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, Final

from sage.transports.codec import arrays, buffers
from sage.transports.codec.marks import (
    COMPLEX,
    DATE,
    DATETIME,
    DECIMAL,
    FROZENSET,
    INT,
    PATH,
    RANGE,
    SET,
    SLICE,
    TIME,
    TIMEDELTA,
    TUPLE,
    UUID,
    ZONE,
    Mark,
    extension,
)
from sage.transports.codec.times import (
    read_date,
    read_datetime,
    read_time,
    read_timedelta,
    read_zone,
    write_date,
    write_datetime,
    write_time,
    write_timedelta,
    write_zone,
)
from sage.transports.errors import CodecError

__all__ = ["CARRIED", "MARKS", "READERS", "WRITERS"]

_COMPLEX: Final = struct.Struct(">dd")
_DECIMAL: Final = re.compile(rb"(?i)-?(?:\d+(?:\.\d+)?(?:E[+-]\d{1,19})?|Infinity|s?NaN\d*)")
_PATHS: Final[dict[str, type[pathlib.PurePath]]] = {
    "P": pathlib.PurePosixPath,
    "W": pathlib.PureWindowsPath,
    "p": pathlib.PosixPath,
    "w": pathlib.WindowsPath,
}
_PATH_LETTERS: Final = {cls: letter for letter, cls in _PATHS.items()}


def _read_tuple(items: list[Any]) -> tuple[Any, ...]:
    del items[0]
    return tuple(items)


def _read_set(items: list[Any]) -> set[Any]:
    del items[0]
    return set(items)


def _read_frozenset(items: list[Any]) -> frozenset[Any]:
    del items[0]
    return frozenset(items)


def _read_range(items: list[Any]) -> range:
    _, start, stop, step = items
    return range(start, stop, step)


def _read_slice(items: list[Any]) -> slice:
    _, start, stop, step = items
    return slice(start, stop, step)


def _write_int(value: int) -> Any:
    return extension(INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _read_int(payload: bytes) -> int:
    return int.from_bytes(payload, "big", signed=True)


def _write_decimal(value: decimal.Decimal) -> Any:
    return extension(DECIMAL, str(value).encode())


def _read_decimal(payload: bytes) -> decimal.Decimal:
    if not _DECIMAL.fullmatch(payload):
        raise CodecError(f"{payload[:40]!r} is no Decimal")
    return decimal.Decimal(payload.decode())


def _write_complex(value: complex) -> Any:
    return extension(COMPLEX, _COMPLEX.pack(value.real, value.imag))


def _read_complex(payload: bytes) -> complex:
    return complex(*_COMPLEX.unpack(payload))


def _read_uuid(payload: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=payload)


def _write_path(value: pathlib.PurePath) -> Any:
    return extension(PATH, (_PATH_LETTERS[type(value)] + str(value)).encode())


def _read_path(payload: bytes) -> pathlib.PurePath:
    text = payload.decode()
    return _PATHS[text[:1]](text[1:])


_TUPLE = Mark("a tuple", extension(TUPLE), _read_tuple)
_SET = Mark("a set", extension(SET), _read_set)
_FROZENSET = Mark("a frozenset", extension(FROZENSET), _read_frozenset)
_RANGE = Mark("a range", extension(RANGE), _read_range)
_SLICE = Mark("a slice", extension(SLICE), _read_slice)

#: How marked arrays are read, by the code of their mark; those that depend on the codec are not here.
MARKS: Final[dict[int, Mark]] = {
    TUPLE: _TUPLE,
    SET: _SET,
    FROZENSET: _FROZENSET,
    RANGE: _RANGE,
    SLICE: _SLICE,
    **buffers.MARKS,
    **arrays.MARKS,
}

#: How extensions that are values by themselves are read, by code.
READERS: Final[dict[int, Callable[[bytes], Any]]] = {
    INT: _read_int,
    DECIMAL: _read_decimal,
    COMPLEX: _read_complex,
    UUID: _read_uuid,
    DATE: read_date,
    TIME: read_time,
    DATETIME: read_datetime,
    TIMEDELTA: read_timedelta,
    PATH: _read_path,
    ZONE: read_zone,
}

#: How values are written that msgpack does not know: as an extension, or as a list that begins with a mark.
WRITERS: Final[dict[type[Any], Callable[[Any], Any]]] = {
    tuple: lambda value: [_TUPLE.head, *value],
    set: lambda value: [_SET.head, *value],
    frozenset: lambda value: [_FROZENSET.head, *value],
    range: lambda value: [_RANGE.head, value.start, value.stop, value.step],
    slice: lambda value: [_SLICE.head, value.start, value.stop, value.step],
    int: _write_int,
    decimal.Decimal: _write_decimal,
    complex: _write_complex,
    uuid.UUID: lambda value: extension(UUID, value.bytes),
    datetime.date: lambda value: extension(DATE, write_date(value)),
    datetime.time: lambda value: extension(TIME, write_time(value)),
    datetime.datetime: lambda value: extension(DATETIME, write_datetime(value)),
    datetime.timedelta: lambda value: extension(TIMEDELTA, write_timedelta(value)),
    datetime.timezone: lambda value: extension(ZONE, write_zone(value)),
    zoneinfo.ZoneInfo: lambda value: extension(ZONE, write_zone(value)),
    **dict.fromkeys(_PATH_LETTERS, _write_path),
}

#: The types that travel without being registered, NumPy's aside.
CARRIED: Final = frozenset(
    {type(None), bool, float, str, bytes, bytearray, memoryview, list, dict, *WRITERS, *buffers.WRITERS}
)
