"""Many items in one message: whatever is written is read, in order, with its sizes."""

from typing import Any

import numpy
import pytest
from hypothesis import given, settings, strategies as st

from sage.transports import CodecError
from sage.transports.codec import Codec, Encoded, FrameWriter, read_frame
from tests.transports.codec.values import TYPES, Point, same, values

LARGE = b"x" * 200_000

_SIZES = st.one_of(st.just(1), st.integers(0, 3), st.integers(0, 2**63 - 1))
#: What is done to a writer: items one by one with their sizes, or many at once.
_steps = st.lists(st.tuples(values, _SIZES) | st.lists(values, max_size=20), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(_steps, min_size=1, max_size=3))
def test_what_is_written_is_read(frames: list[Any]) -> None:
    codec = Codec(types=TYPES)
    writer = FrameWriter(codec)
    for steps in frames:
        expected: list[tuple[Any, int]] = []
        for step in steps:
            if isinstance(step, list):
                writer.pack_many(step)
                expected += [(item, 1) for item in step]
            else:
                writer.add(writer.pack(step[0]), step[1])
                expected.append(step)
        frame = writer.take()
        assert (frame.items, frame.records) == (len(expected), sum(size for _, size in expected))
        assert (writer.items, writer.records, writer.nbytes, writer.buffers) == (0, 0, 0, 0)
        assert type(frame.body) is bytes
        read = read_frame(codec, frame.body, frame.buffers, items=frame.items)
        assert (read.sizes or [1] * frame.items) == [size for _, size in expected]
        assert same(read.values, [item for item, _ in expected])


def test_a_frame_is_as_small_as_its_items() -> None:
    writer = FrameWriter(Codec())
    for item in (1, "a"):
        writer.add(writer.pack(item))
    assert writer.take().body == b"\x92\xc0\x92\x01\xa1a"
    writer.pack_many([1, "a"])
    assert writer.take().body == b"\x92\xc0\x92\x01\xa1a"
    writer.add(writer.pack(1), 0)
    writer.add(writer.pack("a"), 300)
    assert writer.take().body == b"\x92\x92\x00\xcd\x01\x2c\x92\x01\xa1a"
    assert writer.take() == (0, 0, b"\x92\xc0\x90", [])


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65_535, 65_536])
def test_frames_of_any_number_of_items(count: int) -> None:
    codec = Codec()
    writer = FrameWriter(codec)
    items = list(range(count))
    writer.pack_many(items)
    many = writer.take()
    encoded = codec.encode(7)
    for _ in range(min(count, 70)):
        writer.add(encoded)
    writer.pack_many(tuple(items[70:]))
    assert read_frame(codec, many.body, many.buffers) == (items, None)
    mixed = writer.take()
    assert mixed.items == count
    assert read_frame(codec, mixed.body, ()).values == [7] * min(count, 70) + items[70:]


def test_large_items_are_counted_and_joined() -> None:
    codec = Codec()
    writer = FrameWriter(codec)
    items = [LARGE, numpy.arange(20_000), {"a": LARGE[1:]}, 5]
    for item in items:
        writer.add(writer.pack(item), 2)
    assert (writer.items, writer.records, writer.buffers) == (4, 8, 2)
    frame = writer.take()
    held = len(frame.body) + sum(buffer.nbytes for buffer in frame.buffers)
    assert held > 560_000
    assert read_frame(codec, frame.body, frame.buffers).sizes == [2] * 4
    writer.add(codec.encode(LARGE))
    whole = writer.take()
    assert read_frame(codec, whole.body, whole.buffers).values == [LARGE]


def test_bytes_held_are_counted() -> None:
    writer = FrameWriter(Codec())
    writer.pack_many([b"x" * 1_000] * 10)
    assert 10_000 <= writer.nbytes < 10_100
    writer.add(writer.pack(numpy.zeros(10_000)))
    assert 90_000 <= writer.nbytes < 90_200


def test_an_item_alone_is_not_copied() -> None:
    writer = FrameWriter(Codec())
    for encoded in (writer.pack("small"), writer.pack([LARGE, {"a": 1}])):
        writer.add(encoded)
        assert writer.take().body is encoded.body


def test_packing_what_cannot_be_carried_changes_nothing() -> None:
    codec = Codec()
    writer = FrameWriter(codec)
    writer.pack_many([1, (2,)])
    for refused in (object(), {"deep": [numpy.arange(10_000), object()]}):
        with pytest.raises(CodecError):
            writer.pack(refused)
        with pytest.raises(CodecError):
            writer.pack_many([3, refused])
    writer.pack_many([])
    assert (writer.items, writer.records, writer.buffers) == (2, 2, 0)
    frame = writer.take()
    assert read_frame(codec, frame.body, frame.buffers) == ([1, (2,)], None)


@pytest.mark.parametrize("size", [-1, 2**63])
def test_sizes_that_cannot_be_are_refused(size: int) -> None:
    writer = FrameWriter(Codec())
    encoded = writer.pack(1)
    writer.add(encoded)
    with pytest.raises(ValueError, match=f"cannot be {size}"):
        writer.add(encoded, size)
    assert writer.take().body == encoded.body


def test_what_one_writer_packed_can_be_added_to_another_and_again() -> None:
    codec = Codec(types=TYPES)
    encoded = FrameWriter(codec).pack([numpy.arange(10_000), Point(1, (2,))])
    assert type(encoded) is Encoded
    writer = FrameWriter(codec)
    writer.add(encoded)
    writer.add(encoded, 3)
    frame = writer.take()
    (first, second), sizes = read_frame(codec, frame.body, frame.buffers)
    assert (sizes, first[1], second[1]) == ([1, 3], Point(1, (2,)), Point(1, (2,)))
    assert (first[0] == second[0]).all()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "ValueError"),
        (b"\xc0", "no body"),
        (b"\x92\xc0", "incomplete"),
        (b"\x91\x90", "no body"),
        (b"\x93\xc0\x90\xc0", "no body"),
        (b"\x92\xc0\x80", "no body"),
        (b"\x92\xc0\x91\xc7\x00\x01", "no body"),
        (b"\x92\xc0\x92\x01\xc7\x00\x01", "a mark stands where none belongs"),
        (b"\x92\xc0\x91\x81\x01\xc7\x00\x01", "a mark stands where none belongs"),
        (b"\x92\xc0\x91\x92\xc7\x00\x02\xc7\x00\x01", "a mark stands where none belongs"),
        (b"\x92\xc0\x92\xc7\x00\x01\x01", "no body"),
        (b"\x93\xc7\x00\x01\xc0\x90", "no body"),
        (b"\x92\xc0\x90\xc0", "extra data"),
        (b"\x92\x90\x90", "all are 1"),
        (b"\x92\x92\x01\x01\x92\x05\x06", "all are 1"),
        (b"\x92\x91\x02\x92\x05\x06", "not a size for each of 2"),
        (b"\x92\x02\x91\x05", "not a size for each of 1"),
        (b"\x92\x91\xff\x91\x05", "not a number of records"),
        (b"\x92\x91\xc3\x91\x05", "not a number of records"),
        (b"\x92\x91\xcb\x40\x00\x00\x00\x00\x00\x00\x00\x91\x05", "not a number of records"),
        (b"\x92\xc0\x91\xc1", "FormatError"),
        (b"\x92\xc0\x91\xc7\x00\x7f", "no extension with code 127"),
        (b"\x92\xc0\x91\x91\xc7\x00\x1f", "no mark with code 31"),
        (b"\x92\xc0\x91\x91\xd4\x01\x00", "no mark with code 1"),
        (b"\x92\xc0\x91\x91\xc7\x00\xf0", "no mark with code -16"),
        (b"\x92\xc0\x91\xd4\x20\x00", "no extension with code 32"),
        (b"\x92\xc0\x91\x81\x90\xc0", "unhashable"),
        (b"\x92\xc0\x91\x92\xc7\x00\x02\x90", "a set: TypeError: unhashable"),
        (b"\x92\xc0\x91\x92\xc7\x00\x04\x01", "a range: ValueError"),
        (b"\x92\xc0\x91\xa1\xff", "UnicodeDecodeError"),
    ],
)
def test_what_no_writer_makes_is_refused(body: bytes, reason: str) -> None:
    codec = Codec()
    with pytest.raises(CodecError, match=rf"cannot decode: .*{reason}"):
        read_frame(codec, body, ())
    with pytest.raises(CodecError, match=rf"cannot decode: .*{reason}"):
        codec.decode(body)
    assert codec.decode(*codec.encode("still works")) == "still works"


def test_another_number_of_items_than_announced_is_refused() -> None:
    codec = Codec()
    body, buffers = codec.encode_items([1, 2])
    assert read_frame(codec, body, buffers, items=2) == ([1, 2], None)
    with pytest.raises(CodecError, match="has 2 items, but 3 were announced"):
        read_frame(codec, body, buffers, items=3)
