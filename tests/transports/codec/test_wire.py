"""The wire format, byte by byte, as `extensions` tells it: a client in another language relies on this."""

import array
import datetime
import decimal
import pathlib
import re
import uuid
import zoneinfo
from typing import Any

import msgpack
import numpy
import pytest

from sage.transports.codec import Codec, extensions, marks
from tests.transports.codec.values import TYPES, Color, Pair, Point, Wrapped, same


def ext(code: int, payload: bytes = b"") -> Any:
    return msgpack.ExtType(code, payload)


def named(name: str) -> Any:
    return ext(11, f"tests.transports.codec.values:{name}".encode())


NOON = b"\x0c\x1e\x05\x00\x00\x00\x07"
BIG = numpy.arange(10_000, dtype="<u2")

#: What is sent; what another client sees; and the buffers.
LAYOUTS: list[tuple[Any, Any, list[bytes]]] = [
    ((1, "a"), [ext(1), 1, "a"], []),
    ({5}, [ext(2), 5], []),
    (frozenset({5}), [ext(3), 5], []),
    (range(1, 9, 2), [ext(4), 1, 9, 2], []),
    (slice(1, None), [ext(5), 1, None, None], []),
    (array.array("h", [1, -2]), [ext(8), "h", 2, "<", b"\x01\x00\xfe\xff"], []),
    (numpy.array([[1, 2, 3]], ">i2"), [ext(9), ">i2", "C", b"\0\1\0\2\0\3", 1, 3], []),
    (numpy.array([[1, 2], [3, 4]], "|u1").T, [ext(9), "|u1", "F", b"\1\2\3\4", 2, 2], []),
    (BIG, [ext(9), "<u2", "C", ext(32), 10_000], [BIG.tobytes()]),
    (
        numpy.zeros(1, [("a", "|u1"), ("b", "<f4", (2, 1))]),
        [ext(9), [["a", "b"], ["|u1", ["<f4", [2, 1]]], [0, 1], 9], "C", bytes(9), 1],
        [],
    ),
    (numpy.float32(1.5), [ext(10), "<f4", b"\0\0\xc0\x3f"], []),
    (numpy.datetime64(7, "ms"), [ext(10), "<M8[ms]", b"\7" + bytes(7)], []),
    (numpy.str_("é"), [ext(10), "U", "é"], []),
    (numpy.bytes_(b"a"), [ext(10), "S", b"a"], []),
    (Point(1, 2.5), [named("Point"), {"x": 1, "y": 2.5}], []),
    (Pair((1,), None), [named("Pair"), [ext(1), 1], None], []),
    (Color.GREEN, [named("Color"), "GREEN"], []),
    (Wrapped({1}), [ext(11, b"wrapped"), {"content": [ext(2), 1]}], []),
    (2**64, ext(33, b"\x01" + bytes(8)), []),
    (-(2**63) - 1, ext(33, b"\xff\x7f" + b"\xff" * 7), []),
    (decimal.Decimal("-1.10"), ext(34, b"-1.10"), []),
    (1 + 2j, ext(35, b"\x3f\xf0" + bytes(6) + b"\x40" + bytes(7)), []),
    (uuid.UUID(int=7), ext(36, bytes(15) + b"\7"), []),
    (datetime.date(2026, 1, 2), ext(37, b"\x07\xea\x01\x02"), []),
    (datetime.time(12, 30, 5, 7), ext(38, NOON + b"\0\0"), []),
    (datetime.time(12, 30, 5, 7, datetime.UTC, fold=1), ext(38, NOON + b"\1\1"), []),
    (
        datetime.datetime(2026, 1, 2, 12, 30, 5, 7, datetime.timezone(datetime.timedelta(microseconds=-1), "x")),
        ext(39, b"\x07\xea\x01\x02" + NOON + b"\0\2" + b"\xff" * 8 + b"x"),
        [],
    ),
    (datetime.timedelta(-1, 2, 3), ext(40, b"\xff\xff\xff\xff\0\0\0\2\0\0\0\3"), []),
    (pathlib.PurePosixPath("/é"), ext(41, "P/é".encode()), []),
    (pathlib.PosixPath("a"), ext(41, b"pa"), []),
    (pathlib.PureWindowsPath("C:\\"), ext(41, b"WC:\\"), []),
    (datetime.UTC, ext(42, b"\1"), []),
    (datetime.timezone(datetime.timedelta(microseconds=-1), "x"), ext(42, b"\2" + b"\xff" * 8 + b"x"), []),
    (zoneinfo.ZoneInfo("Europe/Berlin"), ext(42, b"\3Europe/Berlin"), []),
]


@pytest.mark.parametrize(("value", "seen", "buffers"), LAYOUTS, ids=lambda part: f"{part!r:.30}")
def test_every_layout_is_as_told(value: Any, seen: Any, buffers: list[bytes]) -> None:
    codec = Codec(types=TYPES)
    body, sent = codec.encode(value)
    assert msgpack.unpackb(body, strict_map_key=False) == [None, [seen]]
    assert [bytes(buffer) for buffer in sent] == buffers
    assert same(codec.decode(msgpack.packb([None, [seen]]), buffers), value)


def test_what_is_only_read_is_as_told() -> None:
    for seen, buffers, expected in [
        ([ext(6), b"inline"], [], b"inline"),
        ([ext(6), ext(32)], [b"beside"], b"beside"),
        ([ext(7), b"inline"], [], memoryview(b"inline")),
        ([ext(7), ext(32)], [b"beside"], memoryview(b"beside")),
        (ext(32), [b"beside"], memoryview(b"beside")),
        (ext(34, b"1e+3"), [], decimal.Decimal("1E+3")),
        (msgpack.Timestamp(1, 2), [], msgpack.Timestamp(1, 2)),
    ]:
        back = Codec().decode(msgpack.packb([None, [seen]]), buffers)
        assert type(back) is type(expected)
        assert back == expected


def test_a_frame_with_sizes() -> None:
    body = msgpack.packb([[2, 0], [[ext(1), 1], {"a": ext(33, b"\5")}]])
    assert Codec().decode_items(body) == ([(1,), {"a": 5}], [2, 0])


def test_every_code_is_in_the_table() -> None:
    told = [int(code) for code in re.findall(r"(?m)^(\d+)  ", extensions.__doc__ or "")]
    known = {code for name, code in vars(marks).items() if name.isupper() and name != "LAST_MARK"}
    assert told == sorted(known)
    assert {*extensions.MARKS, marks.NAMED, marks.PICKLED} == {code for code in known if code <= marks.LAST_MARK}
    assert {*extensions.READERS, marks.BUFFER} == {code for code in known if code > marks.LAST_MARK}
