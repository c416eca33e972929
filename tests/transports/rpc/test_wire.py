"""What travels: whole messages, and everything else that may arrive."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sage.transports.codec import Codec
from sage.transports.errors import CodecError
from sage.transports.rpc.errors import MalformedMessage
from sage.transports.rpc.wire import ANSWER, CALL, ITEMS, WrongVersion, pack_message, pack_record, read_message

CODEC = Codec()

_numbers = st.integers(0, 2**64 - 1)
_small = st.integers(0, 2**32 - 1)
_records = st.lists(st.tuples(st.integers(0, 255), _small, _numbers, _numbers, st.lists(st.integers(), max_size=3)))


def message(records: list[tuple[int, int, int, int, list[Any]]]) -> list[Any]:
    packed = [pack_record(kind, 0, 0, len(own), window, id, number) for kind, window, id, number, own in records]
    values = [value for record in records for value in record[4]]
    return pack_message(packed, CODEC.encode_items(values).body if values else b"")


@given(_records)
def test_what_was_packed_is_read(records: list[tuple[int, int, int, int, list[Any]]]) -> None:
    read = read_message(message(records), CODEC)
    assert [(r.kind, r.window, r.id, r.number, r.values) for r in read] == records


def test_large_arrays_travel_beside_the_records() -> None:
    large = CODEC.encode(np.arange(100_000))
    assert large.buffers
    parts = pack_message([pack_record(ANSWER, 0, len(large.buffers), 1, 0, 7, 0)], large.body, large.buffers)
    [record] = read_message(parts, CODEC)
    assert isinstance(record.values, list)
    assert np.array_equal(record.values[0], np.arange(100_000))


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_bytes_that_are_no_message_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(MalformedMessage):
        read_message(parts, CODEC)


@given(_records.filter(bool), st.data())
def test_a_message_that_was_changed_is_read_or_refused(records: list[Any], data: st.DataObject) -> None:
    [part] = message(records)
    at = data.draw(st.integers(8, len(part) - 1))
    changed = part[:at] + data.draw(st.binary(min_size=1, max_size=4)) + part[at + data.draw(st.integers(0, 4)) :]
    try:
        read = read_message([changed], CODEC)
    except MalformedMessage:
        return
    assert all(isinstance(record.values, list | CodecError) for record in read)


def test_another_version_is_told_apart_from_garbage() -> None:
    [part] = message([])
    with pytest.raises(WrongVersion, match="version 9, this side version 1"):
        read_message([part[:7] + b"\x09" + part[8:]], CODEC)


def test_a_value_that_cannot_be_decoded_spoils_its_own_record_only() -> None:
    unknown = b"\x92\xc7\x01\x0bx\x01"  # a marked array of a type that nobody has registered
    values = CODEC.encode_items(["before", ["after"]]).body[3:]
    body = b"\x92\xc0\x93" + values[:7] + unknown + values[7:]
    parts = pack_message([pack_record(CALL, 0, 0, 1, 0, id, 0) for id in (1, 2, 3)], body)
    first, second, third = read_message(parts, CODEC)
    assert first.values == ["before"]
    assert isinstance(second.values, CodecError)
    assert "register_type" in str(second.values)
    assert third.values == [["after"]]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([pack_message([pack_record(CALL, 0, 0, 1, 0, 1, 0)])[0]], id="a value is missing"),
        pytest.param([*pack_message([]), b"more"], id="a buffer too many"),
        pytest.param(pack_message([], b"\x92\xc0\x91\x01"), id="values of no record"),
        pytest.param(pack_message([pack_record(ITEMS, 0, 0, 2, 0, 1, 0)], b"\x92\xc0\x91\x01"), id="a value too few"),
        pytest.param(pack_message([pack_record(ITEMS, 0, 1, 1, 0, 1, 0)], b"\x92\xc0\x91\x01"), id="a buffer too few"),
        pytest.param(pack_message([pack_record(ITEMS, 0, 0, 1, 0, 1, 0)], b"\x92\x91\x02\x91\x01"), id="sizes"),
        pytest.param(
            pack_message([pack_record(ITEMS, 0, 0, 2**32 - 1, 0, 1, 0)], b"\x92\xc0\xdd\xff\xff\xff\xff"), id="claims"
        ),
    ],
)
def test_what_the_records_tell_must_be_there(parts: list[Any]) -> None:
    with pytest.raises(MalformedMessage):
        read_message(parts, CODEC)
