"""Where an outlet writes while the loop of its process is busy: what the reader has read is used again at once."""

import os
import socket
from collections.abc import AsyncIterator

import pytest

from sage.transports.codec import Frame
from sage.transports.shm.messages import FRAME, FREED, HELD, checked, new_unpacker, packed
from sage.transports.shm.outlet import LARGE, Outlet
from sage.transports.shm.segment import Layout, create_segment
from sage.transports.shm.wire import Wire
from tests.transports.shm.far import quiet

Message = tuple[int, ...]

_LAYOUT = Layout.of(1 << 20)
# How many buffers have room in the pool; that lie there before the outlet looks for room that was given back.
_ROOM = (_LAYOUT.size - _LAYOUT.ring) // LARGE
_PLENTY = _ROOM // 2


class Pair:
    """An outlet, and the socket of its reader, who speaks when the test says so."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        for sock in (ours, self.theirs):
            sock.setblocking(False)
        self.segment, self._descriptor = create_segment(_LAYOUT)
        self.wire = Wire(ours, new_unpacker())
        self.outlet = Outlet(self.wire, self.segment, lambda: None)
        self.reasons: list[str] = []
        self.kinds: list[int] = []

    def send(self, value: int = 7, buffers: int = 1) -> list[int]:
        """Send a frame; return where its buffers lie, nowhere if it waits."""
        content = memoryview(bytes([value]) * LARGE)
        self.outlet.send(Frame(1, 1, b"body", [content] * buffers))
        unpacker = new_unpacker()
        try:
            unpacker.feed(self.theirs.recv(1 << 16))
        except BlockingIOError:
            return []
        *_, last = unpacker
        message = checked(last)
        starts = list(message[4::2]) if message[0] == FRAME else []
        for start in starts:
            assert self.segment.memory[start : start + LARGE] == content
        return starts

    def say(self, *message: int) -> None:
        self.theirs.send(packed(message))

    def received(self, kind: int, numbers: Message) -> None:
        self.kinds.append(kind)
        if kind == FREED:
            self.outlet.freed(numbers)

    def gone(self, reason: str) -> None:
        self.reasons.append(reason)

    def close(self) -> None:
        self.wire.close()
        self.outlet.close()
        self.theirs.close()
        os.close(self._descriptor)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    it = Pair()
    it.wire.start(it)
    await quiet()
    yield it
    it.close()


async def test_what_was_read_is_used_again_before_the_loop_gets_its_turn(pair: Pair) -> None:
    places = [pair.send() for _ in range(_PLENTY)]
    for value in range(100):
        pair.say(FREED, 1, places[-1][0])
        assert pair.send(value) == places[-1]
    await quiet()
    assert pair.kinds == []  # all of it was read ahead


async def test_a_pool_that_was_full_has_room_before_the_loop_gets_its_turn(pair: Pair) -> None:
    places = [pair.send() for _ in range(_ROOM)]
    pair.say(FREED, 2, *places[3], *places[5])
    assert [pair.send(), pair.send()] == [places[3], places[5]]
    assert not pair.outlet.congested


async def test_with_little_in_use_nothing_is_read_ahead(pair: Pair) -> None:
    first = pair.send()
    pair.say(FREED, 1, *first)
    assert pair.send() != first
    await quiet()
    assert pair.kinds == [FREED]
    assert pair.send() == first


async def test_other_messages_come_in_their_turn(pair: Pair) -> None:
    places = [pair.send() for _ in range(_PLENTY)]
    pair.say(HELD)
    pair.say(FREED, 1, *places[0])
    pair.say(HELD)
    assert pair.send() == places[0]
    assert pair.kinds == []
    pair.say(FREED, 1, *places[1])
    await quiet()
    assert pair.kinds == [HELD, HELD, FREED]


async def test_a_frame_that_finds_no_room_for_all_of_it_takes_none(pair: Pair) -> None:
    places = [pair.send() for _ in range(_ROOM - 1)]
    assert pair.send(buffers=2) == []
    assert pair.outlet.congested
    pair.say(FREED, 1, *places[0])
    await quiet()
    assert not pair.outlet.congested


async def test_what_was_never_written_cannot_be_freed(pair: Pair) -> None:
    for _ in range(_PLENTY):
        pair.send()
    pair.say(FREED, 1, 12_345)
    pair.send()  # which reads it, and leaves it to the wire to tell
    assert pair.reasons == []
    await quiet()
    assert pair.reasons == ["an extent at 12345 is given back, but none is taken there"]
    assert pair.wire.closed
    pair.outlet.send(Frame(1, 1, b"body", []))  # to nobody


async def test_what_is_no_message_is_told_in_its_turn(pair: Pair) -> None:
    places = [pair.send() for _ in range(_PLENTY)]
    pair.say(FREED, 1, *places[0])
    pair.theirs.send(b"\xc1")
    assert pair.send() == places[0]
    pair.say(FREED, 1, *places[1])  # behind what is no message, nothing is read any more
    assert pair.send() not in (places[0], places[1])
    await quiet()
    assert "no message" in pair.reasons[0]


async def test_an_end_that_was_met_ahead_is_told_in_its_turn(pair: Pair) -> None:
    places = [pair.send() for _ in range(_PLENTY)]
    pair.say(FREED, 1, *places[0])
    pair.theirs.close()
    pair.outlet.send(Frame(1, 1, b"body", [memoryview(bytes(LARGE))]))
    pair.outlet.send(Frame(1, 1, b"body", [memoryview(bytes(LARGE))]))
    assert pair.reasons == []
    await quiet()
    assert len(pair.reasons) == 1


async def test_only_so_much_is_read_ahead(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sage.transports.shm.wire._MOST_AHEAD", 2)
    places = [pair.send() for _ in range(_PLENTY)]
    pair.say(HELD)
    pair.say(HELD)
    pair.send()
    pair.say(FREED, 1, *places[0])
    assert pair.send() != places[0]
    await quiet()
    assert pair.kinds == [HELD, HELD, FREED]
