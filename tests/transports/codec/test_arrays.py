"""NumPy's arrays and scalars: nothing is copied that need not be, and nothing arrives that was not sent."""

import math
from typing import Any

import msgpack
import numpy
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays

from sage.transports import CodecError
from sage.transports.codec import Codec
from tests.transports.codec.values import arrived

STRUCTURED = numpy.dtype([("a", "<i2"), ("b", ">f8", (2, 3)), ("c", [("d", "S3"), ("e", "<M8[ns]")])])
ALIGNED = numpy.dtype([("a", "i1"), ("b", "f8")], align=True)

SIMPLE = [
    "|b1",
    "|i1",
    "|u1",
    "<i2",
    ">i4",
    "<u8",
    "<f2",
    ">f4",
    "<f8",
    "<c8",
    ">c16",
    "<M8[ns]",
    "<m8[25s]",
    "<M8",
    "|S5",
]
DTYPES = [*SIMPLE, "<U3", ">U2", "|V7", numpy.dtype(numpy.longdouble).str, STRUCTURED, ALIGNED]


def some(dtype: Any, *shape: int) -> Any:
    """An array of that type and shape with something in it."""
    dtype = numpy.dtype(dtype)
    noise = numpy.random.default_rng(7).integers(0, 2, math.prod(shape) * dtype.itemsize, dtype=numpy.uint8)
    if dtype.kind == "U":
        return numpy.array(["aé", "b", "" * 2] * math.prod(shape), dtype=dtype)[: math.prod(shape)].reshape(shape)
    return noise.view(dtype).reshape(shape)


def check_same(back: Any, sent: Any) -> None:
    assert type(back) is numpy.ndarray
    assert (back.dtype, back.shape) == (sent.dtype, sent.shape)
    assert back.dtype.str == sent.dtype.str
    assert back.tobytes() == sent.tobytes()
    assert not back.flags.owndata


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4), (200, 100)])
def test_arrays_of_every_kind(dtype: Any, shape: tuple[int, ...]) -> None:
    sent = some(dtype, *shape)
    check_same(arrived(sent), sent)
    check_same(arrived({"deep": (sent,)})["deep"][0], sent)


def has_titles(dtype: Any) -> bool:
    if dtype.subdtype:
        return has_titles(dtype.subdtype[0])
    return any(len(field) > 2 or has_titles(field[0]) for field in (dtype.fields or {}).values())


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(arrays.array_dtypes() | arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, min_side=0)))
def test_arrays_of_random_types(sent: Any) -> None:
    if has_titles(sent.dtype):
        with pytest.raises(CodecError, match="more than fields, offsets and a size"):
            arrived(sent)
    else:
        check_same(arrived(sent), sent)


@pytest.mark.parametrize(
    ("sent", "order"),
    [
        (some("<f8", 100, 50), "C"),
        (some("<f8", 100, 50).T, "F"),
        (numpy.asfortranarray(some("<M8[s]", 20, 30, 10)), "F"),
        (some(STRUCTURED, 500), "C"),
        (some(">c16", 5_000), "C"),
    ],
)
def test_large_contiguous_arrays_are_sent_without_a_copy(sent: Any, order: str) -> None:
    codec = Codec()
    body, buffers = codec.encode({"vector": sent})
    assert len(body) < 200
    (buffer,) = buffers
    assert (type(buffer), buffer.format, buffer.ndim, buffer.nbytes) == (memoryview, "B", 1, sent.nbytes)
    assert numpy.shares_memory(numpy.frombuffer(buffer, numpy.uint8), sent)
    back = codec.decode(body, buffers)["vector"]
    check_same(back, sent)
    assert numpy.shares_memory(back, sent)
    assert back.flags.f_contiguous == (order == "F" or sent.ndim == 1)


@pytest.mark.parametrize(
    "sent", [some("<f8", 100, 100)[:, ::2], some("<i4", 10_000)[::-1], some("<i2", 50, 50, 50)[1:, 1:]]
)
def test_arrays_with_gaps_are_copied_once(sent: Any) -> None:
    body, buffers = Codec().encode(sent)
    assert [buffer.nbytes for buffer in buffers] == [sent.nbytes]
    check_same(Codec().decode(body, buffers), sent)


def test_broadcast_arrays_arrive_as_they_look() -> None:
    sent = numpy.broadcast_to(numpy.arange(3), (2_000, 3))
    check_same(arrived(sent), sent)


def test_small_arrays_travel_in_the_body() -> None:
    sent = some("<f4", 100)
    body, buffers = Codec().encode([sent] * 5)
    assert buffers == []
    for back in Codec().decode(body):
        check_same(back, sent)
        assert back.flags.aligned
        assert not back.flags.writeable


def test_many_arrays_of_one_value_do_not_become_many_buffers() -> None:
    middling, large = some("<f4", 5_000), some("<f4", 50_000)
    sent = [middling] * 200 + [large] * 2
    body, buffers = Codec().encode(sent)
    assert 60 <= len(buffers) <= 70
    assert [buffer.nbytes for buffer in buffers[-2:]] == [large.nbytes] * 2
    for one, other in zip(Codec().decode(body, buffers), sent, strict=True):
        check_same(one, other)


def test_an_array_is_as_writable_as_its_buffer() -> None:
    body, buffers = Codec().encode(some("<f4", 10_000))
    memory = bytearray(buffers[0])
    back = Codec().decode(body, [memory])
    back[0] = 5
    assert memory[:4] == numpy.float32(5).tobytes()
    assert not Codec().decode(body, [bytes(memory)]).flags.writeable


def test_scalars_keep_their_type() -> None:
    scalars = [numpy.dtype(dtype).type(1) for dtype in ("?", "i1", "u2", "i8", "f2", "f4", "f8", "g", "c8", "c16")]
    scalars += [numpy.datetime64("2026-01-02", "D"), numpy.timedelta64(5, "us"), numpy.datetime64("NaT", "s")]
    scalars += [numpy.str_(""), numpy.str_("é\0"), numpy.bytes_(b"a\0"), numpy.bytes_(b""), numpy.void(b"abc")]
    scalars += [some(STRUCTURED, 1)[0], numpy.float64("inf"), numpy.float64("nan")]
    for sent in scalars:
        back = arrived((sent,))[0]
        assert type(back) is type(sent)
        assert back.dtype == sent.dtype
        assert back.tobytes() == sent.tobytes()
        assert bool(back == sent) or sent != sent


@pytest.mark.parametrize(
    "sent",
    [
        numpy.array([object()]),
        numpy.zeros(2, dtype=[("a", "O")]),
        numpy.void(b""),
        numpy.zeros(2, dtype=[]),
        numpy.zeros(2, dtype=[(("title", "a"), "i4")]),
        numpy.zeros(2, dtype=(numpy.record, [("a", "i4")])),
        numpy.zeros(2, dtype=(numpy.record, [("a", "i4")]))[0],
        numpy.rec.array([(1,)], dtype=[("a", "i4")]),
        numpy.ma.array([1]),
    ],
    ids=lambda value: f"{type(value).__name__}-{value.dtype}",
)
def test_arrays_that_would_not_arrive_as_they_are_get_refused(sent: Any) -> None:
    with pytest.raises(CodecError, match=r"cannot encode a value of type numpy\..*"):
        Codec().encode(sent)


def test_without_numpy_an_array_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    body, buffers = Codec().encode(some("<f4", 10))
    monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    with pytest.raises(CodecError, match="pip install numpy"):
        Codec().decode(body, buffers)


# --- from the wire ----------------------------------------------------------------------------------------------------


def written(*parts: Any) -> bytes:
    """The body of an array of NumPy with these parts."""
    body: bytes = msgpack.Packer().pack([None, [[msgpack.ExtType(9, b""), *parts]]])
    return body


@pytest.mark.parametrize(
    "parts",
    [
        ("|O", "C", b"x" * 8, 1),
        ("O8", "C", b"x" * 8, 1),
        ("<f4,<f4", "C", b"x" * 8, 1),
        ("f4", "C", b"x" * 4, 1),
        ("<f4\n", "C", b"x" * 4, 1),
        ("float32", "C", b"x" * 4, 1),
        ("<f4", "A", b"x" * 4, 1),
        ("<f4", "C", b"x" * 5, 1),
        ("<f4", "C", b"x" * 4, 2),
        ("<f4", "C", b"x" * 4, -1, -1),
        ("<f4", "C", b"x" * 4, True),
        ("<f4", "C", b"x" * 4, 1.0),
        ("<f4", "C", b"", 2**62, 2**62, 0),
        ("<f4", "C", b"", 2**64 - 1, 0),
        ("<f4", "C", b"", *[0] * 100),
        ("<f4", "C", "text", 1),
        ("<f4", "C", None, 1),
        ("<f4", "C"),
        ("<U999999999", "C", b"", 0, 2**40),
        ("|V0", "C", b"", 2**60),
        ("|S0", "C", b"", 2**60),
        ("<M8[0s]", "C", b"x" * 8, "1"),
        ("<M8[lightyears]", "C", b"x" * 8, 1),
        (["<f4", [-1]], "C", b"x" * 4, 1),
        (["<f4", [2**40]], "C", b"x" * 4, 1),
        (["<f4", ["x"]], "C", b"x" * 4, 1),
        ([["a"], ["|O"], [0], 8], "C", b"x" * 8, 1),
        ([["a"], ["<f4"], [5], 8], "C", b"x" * 8, 1),
        ([["a", "a"], ["<f4", "<f4"], [0, 4], 8], "C", b"x" * 8, 1),
        ([[1], ["<f4"], [0], 8], "C", b"x" * 8, 1),
        ([["a"], "<f4", [0], 8], "C", b"x" * 8, 1),
        ([[], [], [], 0], "C", b"", 2**60),
        ([[], [], [], 2**31], "C", b"", 1),
        ([["a"], [[["a"], [[["a"], [[["a"], ["<f4"], [0], 4]], [0], 4]], [0], 4]], [0]], "C", b"", 1),
        (5, "C", b"x" * 8, 1),
        (None, "C", b"x" * 8, 1),
        (["<f4"] * 3, "C", b"x" * 8, 1),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_arrays_that_cannot_be_are_refused(parts: Any) -> None:
    with pytest.raises(CodecError, match="cannot decode: a NumPy array: "):
        Codec().decode(written(*parts))


def test_data_types_that_nest_too_deep_are_refused() -> None:
    description: Any = "<f4"
    for _ in range(20):
        description = [["a"], [description], [0], 4]
    with pytest.raises(CodecError, match="not written as one"):
        Codec().decode(written(description, "C", b"x" * 4, 1))


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(st.sampled_from(["<f4", "|V2", "|S1"]), lambda inner: st.lists(inner | st.integers(0, 9), max_size=4)),
    st.lists(st.integers(-1, 5), max_size=3),
    st.binary(max_size=16),
)
def test_random_descriptions_give_an_array_or_are_refused(description: Any, shape: list[int], data: bytes) -> None:
    try:
        back = Codec().decode(written(description, "C", data, *shape))
    except CodecError:
        return
    assert back.nbytes == len(data)
