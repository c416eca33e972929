"""Pickle, for codecs that were made to use it, and nobody else."""

import collections
import threading
from typing import Any

import numpy
import pytest

from sage.transports import CodecError
from sage.transports.codec import Codec


class Anything:
    def __init__(self, content: Any) -> None:
        self.content = content


def test_other_types_travel_by_pickle_when_it_is_allowed() -> None:
    codec = Codec(pickle=True)
    offset = 5
    value = [Anything({1}), {"counter": collections.Counter("aab")}, (lambda x: x + offset,), int]
    back = codec.decode(*codec.encode(value))
    assert type(back[0]) is Anything
    assert (back[0].content, back[1], back[2][0](1), back[3]) == ({1}, {"counter": collections.Counter("aab")}, 6, int)


def test_what_the_codec_knows_is_not_pickled() -> None:
    value = [1, (2, {3}), {"a": 1.5}, numpy.arange(3)]
    assert Codec(pickle=True).encode(value) == Codec().encode(value)


def test_arrays_inside_pickles_travel_beside() -> None:
    codec = Codec(pickle=True)
    large, small = numpy.arange(100_000), numpy.arange(10)
    value = [numpy.arange(20_000), Anything([large, small]), numpy.arange(30_000)]
    body, buffers = codec.encode(value)
    assert [buffer.nbytes for buffer in buffers] == [160_000, 800_000, 240_000]
    assert len(body) < 2_000
    back = codec.decode(body, buffers)
    for one, other in zip(back[1].content, [large, small], strict=True):
        assert (one == other).all()
    assert numpy.shares_memory(back[1].content[0], large)
    assert (back[2] == value[2]).all()


def test_pickles_are_refused_by_a_codec_that_was_not_made_for_them() -> None:
    body, buffers = Codec(pickle=True).encode([1, Anything(2)])
    with pytest.raises(CodecError, match="only a codec made with pickle=True"):
        Codec().decode(body, buffers)


def test_what_cannot_be_pickled_is_refused() -> None:
    codec = Codec(pickle=True)
    for _ in range(2):
        with pytest.raises(
            CodecError, match=r"cannot encode a value of type _thread.lock at \[1\]: TypeError: .*pickle"
        ):
            codec.encode([1, threading.Lock()])
    assert codec.decode(*codec.encode([Anything])) == [Anything]


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x80\x05N", "text", None])
def test_a_broken_pickle_is_refused(data: Any) -> None:
    import msgpack

    body = msgpack.packb([None, [[msgpack.ExtType(12, b""), data]]])
    with pytest.raises(CodecError, match="cannot decode: a pickled value: "):
        Codec(pickle=True).decode(body)
