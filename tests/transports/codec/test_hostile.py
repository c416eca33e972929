"""Bytes from anybody: they are decoded or refused with a `CodecError`, and never cost more than they should."""

import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from sage.transports import CodecError
from sage.transports.codec import Codec, FrameWriter
from tests.transports.codec.values import TYPES, values

CODEC = Codec(types=TYPES)

# An empty dict is one byte on the wire, and 64 of its own and 8 in a list in memory.
TIMES, MORE = 100, 1_500_000


def decode(body: Any, buffers: Any = ()) -> bool:
    """Whether that could be decoded; checks what it cost."""
    sent = len(body) + sum(len(buffer) for buffer in buffers)
    tracemalloc.start()
    try:
        CODEC.decode_items(body, buffers)
    except CodecError:
        return False
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak <= TIMES * sent + MORE
    return True


# The first bytes of a body, so that not all is refused at once.
_BEGINNINGS = st.sampled_from([b"", b"\x92\xc0\x91", b"\x92\xc0\x92", b"\x92\xc0\x91\x93\xc7\x00", b"\x92\x91\x05\x91"])
# The bytes that mean something, more often than others.
_TELLING = st.sampled_from([*range(0x80, 0x95), *range(0xC0, 0xE0), *range(1, 13), *range(32, 42), 0, 0xFF])


@settings(max_examples=150, deadline=None)
@given(
    _BEGINNINGS,
    st.lists(_TELLING | st.integers(0, 255), max_size=60).map(bytes),
    st.lists(st.binary(max_size=40), max_size=2),
)
def test_random_bytes(beginning: bytes, body: bytes, buffers: list[bytes]) -> None:
    decode(beginning + body, buffers)


@st.composite
def written_frames(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    writer = FrameWriter(CODEC)
    for item in draw(st.lists(values, min_size=1, max_size=4)):
        writer.add(writer.pack(item), draw(st.integers(0, 2)))
    frame = writer.take()
    return frame.body, [bytes(buffer) for buffer in frame.buffers]


@settings(max_examples=60, deadline=None)
@given(written_frames(), st.data())
def test_truncated_frames_are_refused(frame: tuple[bytes, list[bytes]], data: st.DataObject) -> None:
    body, buffers = frame
    assert decode(body, buffers)
    assert not decode(body[: data.draw(st.integers(0, len(body) - 1))], buffers)
    if buffers:
        last = data.draw(st.integers(0, len(buffers) - 1))
        assert not decode(body, buffers[:last])
        assert not decode(body, [*buffers[:last], buffers[last][:-1], *buffers[last + 1 :]])


@settings(max_examples=150, deadline=None)
@given(written_frames(), st.data())
def test_mutated_frames(frame: tuple[bytes, list[bytes]], data: st.DataObject) -> None:
    body, buffers = bytearray(frame[0]), frame[1]
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        change = data.draw(st.sampled_from(["replace", "insert", "remove", "repeat"]))
        if change == "replace":
            body[position] = data.draw(_TELLING | st.integers(0, 255))
        elif change == "insert":
            body.insert(position, data.draw(_TELLING))
        elif change == "repeat":
            body[position:position] = body[position : position + data.draw(st.integers(1, 40))]
        elif len(body) > 1:
            del body[position]
    decode(bytes(body), data.draw(st.permutations(buffers)))


# --- bodies that claim to be more than they are -----------------------------------------------------------------------

ARRAY_32, MAP_32, STR_32, BIN_32, EXT_32 = 0xDD, 0xDF, 0xDB, 0xC6, 0xC9


@pytest.mark.parametrize("kind", [ARRAY_32, MAP_32, STR_32, BIN_32, EXT_32], ids=hex)
@pytest.mark.parametrize("length", [1, 1_000, 9_999, 10_001, 100_000, 2**32 - 1])
@pytest.mark.parametrize("levels", [1, 1_000, 1_100])
@pytest.mark.parametrize("padding", [0, 10_000])
def test_lengths_are_not_believed(kind: int, length: int, levels: int, padding: int) -> None:
    claim = bytes((kind,)) + struct.pack(">I", length)
    assert not decode(b"\x92\xc0\x91" + claim * levels + b"\x01" * min(padding, length - 1))
    assert not decode(claim * levels + b"\x01" * padding)


@pytest.mark.parametrize("length", [16, 100, 300, 65_535])
@pytest.mark.parametrize("size", [0, 500, 5_000, 100_000])
def test_short_arrays_that_claim_a_little_too_much_do_not_add_up(length: int, size: int) -> None:
    claim = b"\xdc" + struct.pack(">H", length)
    assert not decode(b"\x92\xc0\x91" + b"\xc4\xff" + b"x" * 255 + claim * 1_000)
    body = b"\x92\xc0\x92" + b"\xc6" + struct.pack(">I", size) + b"x" * size + claim * 1_000
    assert not decode(body)
    assert not decode(memoryview(body))


def test_whole_arrays_of_any_length_are_read() -> None:
    for length in (127, 128, 129, 1_000, 20_000):
        assert decode(CODEC.encode([list(range(length)), (*range(length),), {1: [None] * length}]).body)
        assert decode(CODEC.encode_items(list(range(length))).body)


@pytest.mark.parametrize("element", [b"\x80", b"\x90", b"\xa0", b"\xc4\x00", b"\x91\xc7\x00\x01", b"\x91\xc7\x00\x02"])
def test_what_is_small_on_the_wire_costs_a_bounded_multiple(element: bytes) -> None:
    assert decode(b"\x92\xc0\xdd" + struct.pack(">I", 50_000) + element * 50_000)


@pytest.mark.parametrize("code", [*range(13), *range(32, 43), 127], ids=str)
@pytest.mark.parametrize("levels", [1, 1_000])
def test_nested_marks_do_not_add_up(code: int, levels: int) -> None:
    mark = b"\x92\xc7\x00" + bytes((code,))
    decode(b"\x92\xc0\x91" + mark * levels + b"\xc0")


@pytest.mark.parametrize("size", [0, 1, 10, 100_000])
@pytest.mark.parametrize("code", range(32, 43))
def test_extensions_of_any_length(code: int, size: int) -> None:
    for byte in (b"\0", b"9", b"\xff", b"N", b"p"):
        decode(
            b"\x92\xc0\x91\xc9" + struct.pack(">I", size) + bytes((code,)) + byte * size, [b""] if code == 32 else []
        )


@settings(max_examples=100, deadline=None)
@given(st.integers(33, 42), st.binary(max_size=40))
@example(39, b"\xff" * 15)
@example(38, b"\x01\x01\x01\x00\x00\x00\x00\x00\x03Europe")
@example(38, b"\x01\x01\x01\x00\x00\x00\x00\x00\x03../../etc/passwd")
@example(38, b"\x01\x01\x01\x00\x00\x00\x00\x00\x03/etc/passwd")
@example(38, b"\x01\x01\x01\x00\x00\x00\x00\x00\x03No/Where")
@example(38, b"\x01\x01\x01\x00\x00\x00\x00\x00\x02" + b"\x7f" * 8)
@example(40, b"\x7f\xff\xff\xff" * 3)
@example(34, b"1E+9999999999999999999")
@example(34, b"1_0")
@example(34, "٣".encode())
@example(41, b"")
@example(41, b"w")
@example(42, b"")
@example(42, b"\x02")
def test_payloads_that_mean_nothing(code: int, payload: bytes) -> None:
    decode(b"\x92\xc0\x91\xc7" + bytes((len(payload), code)) + payload)


def test_zones_are_looked_up_by_names_of_zones_only() -> None:
    prefix = b"\x01\x01\x01\x00\x00\x00\x00\x00\x03"
    for key in (b"../../etc/passwd", b"/etc/passwd", b"a//b", b"a/..", b"", b"x" * 33, b"Europe/Berlin\n"):
        body = b"\x92\xc0\x91\xc7" + bytes((len(prefix + key), 38)) + prefix + key
        with pytest.raises(CodecError, match="its zone is not written as a zone"):
            CODEC.decode(body)


def test_a_zone_by_itself_is_not_none() -> None:
    with pytest.raises(CodecError, match="its zone is none"):
        CODEC.decode(b"\x92\xc0\x91\xc7\x01\x2a\x00")
