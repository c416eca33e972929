"""Sockets on an event loop."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import zmq

from sage.transports.zmq import Event, EventKind, Socket
from sage.transports.zmq.socket import Buffer
from tests.transports.zmq.leaks import no_leak


class Inbox:
    """What came, and how to wait for it."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self._came = asyncio.Event()

    def put(self, thing: Any) -> None:
        self.things.append(thing)
        self._came.set()

    async def take(self, count: int) -> list[Any]:
        async with asyncio.timeout(60):
            while len(self.things) < count:
                self._came.clear()
                await self._came.wait()
        taken, self.things = self.things, []
        return taken


@asynccontextmanager
async def pair(
    address: str = "ipc://@sage-test-*", **options: Any
) -> AsyncIterator[tuple[Socket, Socket, Inbox, Inbox]]:
    there, here = Inbox(), Inbox()
    router = Socket(zmq.ROUTER, there.put, **options)
    bound = router.bind(address.replace("*", os.urandom(4).hex()))
    dealer = Socket(zmq.DEALER, here.put, routing_id=b"me")
    dealer.connect(bound)
    try:
        yield router, dealer, there, here
    finally:
        dealer.close()
        router.close()


async def test_messages_go_both_ways() -> None:
    async with pair() as (router, dealer, there, here):
        assert dealer.send([b"question", b""])
        assert await there.take(1) == [[b"me", b"question", b""]]
        assert router.send([b"me", b"answer"])
        assert await here.take(1) == [[b"answer"]]


async def test_a_port_is_chosen() -> None:
    socket = Socket(zmq.ROUTER, print)
    address = socket.bind("tcp://127.0.0.1:0")
    assert int(address.rpartition(":")[2]) > 0
    other = Socket(zmq.ROUTER, print)
    with pytest.raises(zmq.ZMQError, match="in use"):
        other.bind(address)
    for each in (socket, other):
        each.close()


async def test_a_thousand_messages_in_one_turn_all_arrive() -> None:
    async with pair() as (router, dealer, there, here):
        for number in range(1000):
            dealer.send([b"%d" % number])
        assert [int(message[1]) for message in await there.take(1000)] == list(range(1000))
        for number in range(1000):
            router.send([b"me", b"%d" % number])
        assert [int(message[0]) for message in await here.take(1000)] == list(range(1000))


async def test_both_sides_send_while_they_read() -> None:
    """Any send may use up the edge that tells of messages: each side must look for itself."""
    async with pair() as (router, dealer, there, here):

        def answer(message: list[Buffer]) -> None:
            there.put(message)
            router.send(message)

        router._on_message = answer
        for number in range(500):
            dealer.send([b"%d" % number])
            if number % 7 == 0:
                await asyncio.sleep(0)
        assert [int(message[0]) for message in await here.take(500)] == list(range(500))


async def test_large_parts_are_not_copied() -> None:
    async with pair() as (_, dealer, there, _):
        dealer.send([b"x" * 1_000_000, b"small"])
        ((_, large, small),) = await there.take(1)
        assert isinstance(large, memoryview)
        assert large == b"x" * 1_000_000
        assert small == b"small"


async def test_messages_of_too_many_parts_are_dropped() -> None:
    async with pair(max_parts=10) as (router, dealer, there, _):
        dealer.send([b""] * 9)
        dealer.send([b""] * 10)
        dealer.send([b"next"])
        assert [len(message) for message in await there.take(2)] == [10, 2]
        assert router.refused == 1


async def test_a_part_that_is_too_large_costs_only_the_connection() -> None:
    events = Inbox()
    async with pair(max_message=1000, on_event=events.put) as (_, dealer, there, _):
        dealer.send([b"x" * 1001])
        kinds = [event.kind for event in await events.take(3)]
        assert kinds == [EventKind.CONNECTED, EventKind.DISCONNECTED, EventKind.CONNECTED]
        dealer.send([b"x" * 1000])
        assert [len(message[1]) for message in await there.take(1)] == [1000]


async def test_a_callback_that_fails_does_not_stop_the_others() -> None:
    problems: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context["exception"]))
    async with pair() as (router, dealer, there, _):

        def fail_first(message: list[Buffer]) -> None:
            there.put(message)
            if message[1] == b"bad":
                raise ZeroDivisionError

        router._on_message = fail_first
        for part in (b"bad", b"good", b"better"):
            dealer.send([part])
        assert [message[1] for message in await there.take(3)] == [b"bad", b"good", b"better"]
    assert [type(problem) for problem in problems] == [ZeroDivisionError]


async def test_reading_gives_way_to_others() -> None:
    """A reader that is never finished must not keep the loop for itself."""
    async with pair() as (router, dealer, there, _):
        turns = 0

        def slow(message: list[Buffer]) -> None:
            end = asyncio.get_running_loop().time() + 0.001
            while asyncio.get_running_loop().time() < end:
                pass
            there.put(turns)

        router._on_message = slow
        for _ in range(20):
            dealer.send([b""])
        while len(there.things) < 20:
            await asyncio.sleep(0)
            turns += 1
        assert there.things[-1] - there.things[0] > 3


async def test_what_is_for_nobody_is_dropped_and_told() -> None:
    async with pair() as (router, dealer, there, _):
        assert not router.send([b"nobody", b"x"])
        dealer.send([b"hello"])
        await there.take(1)
        assert router.send([b"me", b"x"])
        router.close()
        assert not router.send([b"me", b"x"])
        router.close()


async def test_without_hold_what_has_no_connection_is_dropped() -> None:
    holding, dropping = (Socket(zmq.DEALER, print, hold=hold) for hold in (True, False))
    for socket in (holding, dropping):
        socket.connect(f"ipc://@sage-nobody-{os.urandom(4).hex()}")
    assert holding.send([b"x"])
    assert not dropping.send([b"x"])
    for socket in (holding, dropping):
        socket.close()


async def test_events_tell_of_connections() -> None:
    events = Inbox()
    router = Socket(zmq.ROUTER, print)
    address = router.bind("tcp://127.0.0.1:0")
    dealer = Socket(zmq.DEALER, print, on_event=events.put)
    dealer.connect(address)
    assert await events.take(1) == [Event(EventKind.CONNECTED)]
    router.close()
    first, *others = await events.take(2)
    assert first.kind is EventKind.DISCONNECTED
    assert {event.kind for event in others} <= {EventKind.UNREACHABLE, EventKind.FAILED}
    dealer.close()


async def test_a_socket_with_a_heartbeat_still_talks() -> None:
    async with pair(heartbeat=0.01) as (_, dealer, there, _):
        dealer.send([b"x"])
        await there.take(1)


async def test_closing_frees_every_file() -> None:
    async def once() -> None:
        async with pair("tcp://127.0.0.1:0") as (_, dealer, there, _):
            dealer.send([b"x" * 100_000])
            await there.take(1)

    async with no_leak(once):
        for _ in range(5):
            await once()
