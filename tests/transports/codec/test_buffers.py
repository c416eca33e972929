"""What travels beside the body: large bytes, any buffer, and how long the memory behind it is kept."""

import array
import gc
import mmap
import weakref
from pickle import PickleBuffer
from typing import Any, NamedTuple

import numpy
import pytest

from sage.transports import CodecError
from sage.transports.codec import Codec, Types
from tests.transports.codec.values import Point, arrived

LARGE = bytes(range(256)) * 1_000


def test_large_bytes_go_beside_once_the_codec_has_seen_that_values_are_large() -> None:
    codec = Codec()
    for value in (LARGE, {"image": LARGE, "id": 1}, [{"image": LARGE}], (1, LARGE), {"deep": {"image": LARGE}}):
        codec.encode({"image": LARGE})
        body, buffers = codec.encode(value)
        assert len(body) < 100
        (buffer,) = buffers
        assert buffer.obj is LARGE
        back = codec.decode(body, buffers)
        assert back == value
        assert type(back) is type(value)


def test_the_first_large_bytes_and_small_ones_travel_in_the_body() -> None:
    codec = Codec()
    assert codec.encode(LARGE).buffers == []
    assert len(codec.encode(LARGE).buffers) == 1
    for _ in range(10):
        assert codec.encode({"small": LARGE[:1_000]}).buffers == []
    assert len(codec.encode(LARGE).buffers) == 1
    for _ in range(100):
        assert codec.encode({"small": LARGE[:1_000]}).buffers == []
    assert codec.encode(LARGE).buffers == []


def test_fields_that_are_large_bytes_go_beside() -> None:
    types = Types()
    types.register(Point)
    codec = Codec(types=types)
    value = Point(LARGE, (1, LARGE))
    assert codec.decode(*codec.encode(value)) == value
    body, buffers = codec.encode(value)
    assert ([buffer.obj for buffer in buffers], len(body) < 100) == ([LARGE, LARGE], True)
    assert codec.decode(body, buffers) == value


def test_buffers_of_different_kinds_keep_their_order() -> None:
    numbers = numpy.arange(10_000)
    value: list[Any] = [LARGE, {"a": numbers, "b": LARGE[1:]}, (numbers + 1, array.array("d", [1.5]) * 10_000)]
    codec = Codec()
    codec.encode(LARGE)
    body, buffers = codec.encode(value)
    assert [buffer.nbytes for buffer in buffers] == [len(LARGE), 80_000, len(LARGE) - 1, 80_000, 80_000]
    back = codec.decode(body, buffers)
    assert (back[0], back[1]["b"], back[2][1]) == (value[0], value[1]["b"], value[2][1])
    assert (back[1]["a"] == numbers).all()
    assert (back[2][0] == numbers + 1).all()


def test_what_a_pickle_buffer_wraps_arrives_as_a_memoryview() -> None:
    codec = Codec()
    for wrapped in (b"small", bytearray(b"y" * 20_000), mmap.mmap(-1, 1 << 15), array.array("d", [1.5] * 10_000)):
        body, buffers = codec.encode({"x": PickleBuffer(wrapped)})
        assert len(buffers) == (memoryview(wrapped).nbytes > 1 << 14)
        back = codec.decode(body, buffers)["x"]
        assert type(back) is memoryview
        assert (back.format, back.ndim) == ("B", 1)
        assert back == memoryview(wrapped).cast("B")


def test_an_array_array_of_the_other_byte_order_is_turned() -> None:
    import msgpack

    body = msgpack.packb([None, [[msgpack.ExtType(8, b""), "h", 2, ">", b"\x01\x02"]]])
    assert Codec().decode(body) == array.array("h", [0x0102])


@pytest.mark.parametrize(
    "parts",
    [("h", 4, "<", b""), ("x", 1, "<", b""), ("b", 1, "=", b""), ("h", 2, "<", b"x"), ("h", 2, "<", "x"), ("h",)],
)
def test_an_array_array_that_cannot_be_is_refused(parts: Any) -> None:
    import msgpack

    body = msgpack.packb([None, [[msgpack.ExtType(8, b""), *parts]]])
    with pytest.raises(CodecError, match=r"cannot decode: an array\.array: "):
        Codec().decode(body)


def test_each_buffer_is_used_once() -> None:
    codec = Codec()
    body, buffers = codec.encode([numpy.arange(10_000), numpy.arange(20_000)])
    with pytest.raises(CodecError, match="fewer buffers than"):
        codec.decode(body, buffers[:1])
    with pytest.raises(CodecError, match="fewer buffers than"):
        codec.decode(body)
    with pytest.raises(CodecError, match="1 of 3 buffers are not used"):
        codec.decode(body, [*buffers, b"more"])
    with pytest.raises(CodecError, match="does not have 160000 bytes"):
        codec.decode(body, buffers[::-1])
    with pytest.raises(CodecError, match="1 of 1 buffers are not used"):
        codec.decode(codec.encode(1).body, [b"more"])


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, lambda data: numpy.frombuffer(data, "<f8")])
def test_buffers_and_bodies_may_be_any_kind_of_bytes(wrap: Any) -> None:
    sent = numpy.arange(10_000)
    body, (buffer,) = Codec().encode([sent, {1: (2,)}])
    kinds: list[Any] = [bytes, bytearray, memoryview, lambda data: memoryview(b"x" + data)[1:]]
    for kind in kinds:
        back = Codec().decode(kind(body), [wrap(bytes(buffer))])
        assert (back[0] == sent).all()
        assert back[1] == {1: (2,)}


@pytest.mark.parametrize("wrong", [None, 5, "text", [b"x"], memoryview(b"abcd")[::2], array.array("h", [1])])
def test_what_is_no_body_or_buffer_is_refused(wrong: Any) -> None:
    body, buffers = Codec().encode(numpy.arange(10_000))
    with pytest.raises(CodecError, match="cannot decode: "):
        Codec().decode(wrong, buffers)
    with pytest.raises(CodecError, match="cannot decode: "):
        Codec().decode(body, [wrong])


# --- how long memory is kept ------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    sent: Any
    part_of: Any


@pytest.mark.parametrize(
    "kind",
    [
        Kind(numpy.arange(10_000), lambda array: array[5:]),
        Kind(numpy.arange(10_000).reshape(100, 100).T, lambda array: array.T[5:]),
        Kind(PickleBuffer(b"x" * 80_000), lambda view: view[5:]),
    ],
)
def test_what_is_read_in_place_keeps_the_very_buffer_that_was_given(kind: Kind) -> None:
    codec = Codec()
    body, (buffer,) = codec.encode({"x": kind.sent})
    memory = mmap.mmap(-1, buffer.nbytes + 100)
    memory[100:] = bytes(buffer)
    given = memoryview(memory)[100:]
    released: list[bool] = []
    weakref.finalize(given, released.append, True)
    part = kind.part_of(codec.decode(body, [given])["x"])
    del given
    gc.collect()
    assert released == []
    with pytest.raises(BufferError):
        memory.close()
    del part
    gc.collect()
    assert released == [True]
    memory.close()


@pytest.mark.parametrize("sent", [numpy.arange(10_000), PickleBuffer(b"x" * 80_000)])
def test_memory_that_is_read_in_place_cannot_be_given_back(sent: Any) -> None:
    body, (buffer,) = Codec().encode(sent)
    memory = bytearray(buffer)
    given = memoryview(memory)
    for owner, give_back in ((memory, memory.clear), (given, given.release)):
        back = Codec().decode(body, [owner])
        with pytest.raises(BufferError):
            give_back()
        del back
    given.release()
    memory.clear()


def test_bytes_that_arrive_beside_keep_nothing() -> None:
    codec = Codec()
    codec.encode(LARGE)
    body, (buffer,) = codec.encode(LARGE)
    memory = bytearray(buffer)
    back = codec.decode(body, [memory])
    memory.clear()  # refused while somebody reads it
    assert back == LARGE


def test_a_codec_keeps_nothing_of_what_passed() -> None:
    codec = Codec()
    sent = numpy.arange(100_000)
    body, buffers = codec.encode(sent)
    memory = bytearray(buffers[0])
    codec.decode(body, [memory])
    kept = weakref.ref(sent)
    del sent, buffers
    gc.collect()
    assert kept() is None
    memory.clear()


def test_an_encoder_that_needed_much_memory_gives_it_back() -> None:
    import tracemalloc

    codec = Codec()
    tracemalloc.start()
    try:
        assert len(codec.encode(list(range(100_000, 400_000))).body) > 1 << 20
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


def test_values_arrive_also_when_the_codec_looks_for_large_bytes() -> None:
    value = {"many": list(range(1_000)), "large": [LARGE, "text"], "t": (1, 2), "n": None, b"k": {1}}
    codec = Codec()
    assert [arrived(value, codec) for _ in range(3)] == [value] * 3
