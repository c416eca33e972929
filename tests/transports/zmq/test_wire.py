"""The wire format, byte by byte."""

import re
from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgpack import Packer

from sage.transports.zmq import wire
from sage.transports.zmq.wire import (
    HEADER,
    Hello,
    Kind,
    Welcome,
    WireError,
    other_version,
    pack_header,
    unpack_header,
)

NUMBERS = st.integers(0, 2**64 - 1)


def packed(fields: Any) -> bytes:
    body: Any = Packer().pack(fields)
    return bytes(body)


def test_a_header_is_as_described() -> None:
    header = pack_header(Kind.DATA, 1, 2, 3, 4)
    assert header == b"SAGEQ" + bytes([1, 16, 0]) + b"".join(n.to_bytes(8, "little") for n in (1, 2, 3, 4))
    assert len(header) == HEADER


@given(st.sampled_from(Kind), NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_header_is_read_as_it_was_written(kind: Kind, number: int, ack: int, a: int, b: int) -> None:
    assert unpack_header(pack_header(kind, number, ack, a, b)) == (kind, number, ack, a, b)


@given(st.binary(max_size=80))
def test_anything_else_is_refused(part: bytes) -> None:
    with pytest.raises(WireError):
        unpack_header(part)
    assert not other_version(part)


def test_another_version_is_told_from_garbage() -> None:
    newer = b"SAGEQ\2" + pack_header(Kind.DATA, 1, 2)[6:]
    assert other_version(newer)
    with pytest.raises(WireError, match=r"version 2 .* only 1 is"):
        unpack_header(newer)


def test_hello_and_welcome_are_read_as_they_were_written() -> None:
    for hello in (Hello("orders", "me"), Hello("orders", "me", "writer-1")):
        assert Hello.unpack(hello.pack()) == hello
    assert Welcome.unpack(Welcome(b"epoch", 5).pack()) == (b"epoch", 5)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {"queue": 1},
        {"queue": "q", "name": b""},
        {"queue": "q", "sender_id": 7},
        {"queue": "q" * 70_000},
        {1: {}},
    ],
)
def test_a_hello_that_is_none_is_refused(fields: Any) -> None:
    with pytest.raises(WireError):
        Hello.unpack(packed(fields))


@pytest.mark.parametrize(
    "fields",
    [{}, {"epoch": "text", "lost_after": 1}, {"epoch": b""}, {"epoch": b"", "lost_after": float("nan")}],
)
def test_a_welcome_that_is_none_is_refused(fields: Any) -> None:
    with pytest.raises(WireError):
        Welcome.unpack(packed(fields))


@given(st.binary(max_size=100))
def test_a_body_of_garbage_never_raises_anything_else(body: bytes) -> None:
    for message in (Hello, Welcome):
        try:
            message.unpack(body)
        except WireError:
            continue


def test_every_kind_is_described() -> None:
    described = re.findall(r"^ *(\d+) +([A-Z_]+) +(?:host|client|both) ", wire.__doc__ or "", re.MULTILINE)
    assert {(int(number), name) for number, name in described} == {(kind.value, kind.name) for kind in Kind}
