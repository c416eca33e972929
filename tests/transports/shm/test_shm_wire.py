"""Messages over a socket: nothing lost when it is full, nobody starved when much comes."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from sage.transports.remote import ProtocolError
from sage.transports.shm import wire as wire_module
from sage.transports.shm.messages import ACK, TOLD, new_unpacker
from sage.transports.shm.wire import Wire

Message = tuple[int, ...]


class Listener:
    """Keeps what a wire tells."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.reasons: list[str] = []
        self.changed = asyncio.Event()

    def received(self, kind: int, numbers: Message) -> None:
        if kind == ACK:
            raise ProtocolError("nothing was given")
        self.messages.append(numbers)
        self.changed.set()

    def gone(self, reason: str) -> None:
        self.reasons.append(reason)
        self.changed.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.messages) + len(self.reasons) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Wire, Wire, Listener, Listener]]:
    pair = socket.socketpair()
    for sock in pair:
        sock.setblocking(False)
    wires = [Wire(sock, new_unpacker()) for sock in pair]
    yield wires[0], wires[1], Listener(), Listener()
    for wire in wires:
        wire.close()


Ends = tuple[Wire, Wire, Listener, Listener]


async def test_messages_of_one_turn_leave_together_and_in_order(ends: Ends) -> None:
    here, there, _, listener = ends
    there.start(listener)
    here.tell(TOLD, 1)
    here.tell(TOLD, 2)
    here.tell_now(TOLD, 3)
    await listener.wait_for(3)
    assert listener.messages == [(TOLD, 1), (TOLD, 2), (TOLD, 3)]


async def test_what_finds_no_room_is_sent_when_there_is_some(ends: Ends) -> None:
    here, there, _, listener = ends
    for number in range(200_000):
        here.tell_now(TOLD, number)
    flushed = asyncio.create_task(here.flushed())
    await asyncio.sleep(0)
    assert not flushed.done()
    there.start(listener)
    await flushed
    await listener.wait_for(200_000)
    assert listener.messages == [(TOLD, number) for number in range(200_000)]


async def test_who_waits_for_room_is_let_go_when_the_wire_is_closed(ends: Ends) -> None:
    here, _, _, _ = ends
    for number in range(200_000):
        here.tell_now(TOLD, number)
    flushed = asyncio.create_task(here.flushed())
    await asyncio.sleep(0)
    here.close()
    await flushed
    here.tell(TOLD, 1)
    here.tell_now(TOLD, 1)


async def test_the_loop_gets_its_turn_while_much_comes(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "_SLICE", -1.0)
    here, there, _, listener = ends
    for number in range(100):
        here.tell(TOLD, number)
    there.start(listener)
    turns = 0
    while len(listener.messages) < 100:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 100
    assert listener.messages == [(TOLD, number) for number in range(100)]


async def test_what_came_before_the_other_side_went_is_heard_first(ends: Ends) -> None:
    here, there, _, listener = ends
    here.tell_now(TOLD, 1)
    here.close()
    there.tell_now(TOLD, 2)  # to nobody
    there.start(listener)
    await listener.wait_for(2)
    assert listener.messages == [(TOLD, 1)]
    assert len(listener.reasons) == 1
    assert there.closed


async def test_both_sides_learn_of_a_breach(ends: Ends) -> None:
    here, there, teller, listener = ends
    here.start(teller)
    there.start(listener)
    here.tell_now(ACK, 1)
    await listener.wait_for(1)
    await teller.wait_for(1)
    assert listener.reasons == ["nothing was given"]
    assert teller.reasons == ["it refused: nothing was given"]
    assert here.closed
    assert there.closed
