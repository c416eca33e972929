"""What is not of the protocol, and who does not keep to it."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
import zmq

from sage.transports import BrokenChannel, CodecError, ConnectError
from sage.transports.codec import Codec
from sage.transports.zmq import RPCQueueDescriptor, Socket
from sage.transports.zmq.socket import Buffer
from sage.transports.zmq.wire import Hello, Kind, Refusal, Role, pack_header, unpack_header

Queue = RPCQueueDescriptor[Any]


@asynccontextmanager
async def hosted(**options: Any) -> AsyncIterator[Queue]:
    async with Queue(maxsize=4, **options) as queue, asyncio.timeout(60):
        await queue.open()
        yield queue


class Client:
    """A client made by hand from the description of the wire."""

    def __init__(self, queue: Queue) -> None:
        self.answers: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.socket = Socket(zmq.DEALER, self.answers.put_nowait)
        self.socket.connect(queue.address)
        self.queue = queue
        self.number = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.socket.close(1)
        self.socket.close(1)

    def hello(self, role: int = Role.SENDER, name: str | None = None) -> None:
        hello = Hello(name or self.queue.name, "a client by hand")
        self.socket.send([pack_header(Kind.HELLO, 0, 0, role), hello.pack()])

    def post(self, kind: int, a: int = 0, b: int = 0, *parts: bytes) -> None:
        self.number += 1
        self.socket.send([pack_header(kind, self.number, 0, a, b), *parts])

    async def until(self, kind: Kind) -> tuple[Any, list[Any]]:
        while True:
            message = await self.answers.get()
            header = unpack_header(message[0])
            if header.kind == kind:
                return header, message[1:]

    async def refused(self) -> tuple[int, str]:
        header, parts = await self.until(Kind.REFUSED)
        return header.a, bytes(parts[0]).decode()


async def still_works(queue: Queue) -> None:
    async with Queue.from_dict(queue.to_dict(), local=False) as other:
        await other.put("fine")
        assert await queue.get() == "fine"
    assert queue.empty()


async def test_a_client_can_be_made_from_the_description() -> None:
    async with hosted() as queue, Client(queue) as client:
        client.hello()
        welcome, _ = await client.until(Kind.WELCOME)
        assert welcome.a == 4
        client.post(Kind.WANT, 2, 1)
        grant, _ = await client.until(Kind.GRANT)
        assert grant.a >= 1
        client.post(Kind.DATA, 1, 1, Codec().encode("by hand").body)
        assert await queue.get() == "by hand"
        client.post(Kind.END)
        await client.until(Kind.ENDED)
        client.socket.send([pack_header(Kind.BYE, 3, 2)])


async def test_garbage_is_dropped() -> None:
    async with hosted() as queue, Client(queue) as client:
        for frames in ([os.urandom(64)], [b""], [b"\xff" * 10_000] * 3, [b"x"] * 5_000, [b"\x93\x01"], [b"SAGEQ"]):
            client.socket.send(frames)
        client.hello()
        await client.until(Kind.WELCOME)
        assert queue._place.host.refused == 6
        await still_works(queue)


@pytest.mark.parametrize("seed", range(5))
async def test_what_is_not_even_zeromq_is_dropped(seed: int) -> None:
    async with hosted() as queue:
        _, writer = await asyncio.open_connection("127.0.0.1", queue.port)
        writer.write(random.Random(seed).randbytes(4096))
        await writer.drain()
        await still_works(queue)
        writer.close()


async def test_another_version_is_refused() -> None:
    async with hosted() as queue, Client(queue) as client:
        client.socket.send([b"SAGEQ\x07" + bytes(34), b""])
        why, text = await client.refused()
        assert why == Refusal.OTHER_VERSION
        assert "version 7" in text
        await still_works(queue)


@pytest.mark.parametrize("role", [0, 3, 2**64 - 1])
async def test_a_hello_for_no_role_is_refused(role: int) -> None:
    async with hosted() as queue, Client(queue) as client:
        client.hello(role)
        assert (await client.refused())[0] == Refusal.UNKNOWN_SESSION


async def test_a_hello_that_cannot_be_read_is_refused() -> None:
    async with hosted() as queue, Client(queue) as client:
        client.socket.send([pack_header(Kind.HELLO, 0, 0, 1), b"\xc1"])
        assert (await client.refused())[0] == Refusal.NOT_ALLOWED


async def test_another_queue_is_named() -> None:
    async with hosted(queue_id="orders") as queue:
        description = {**queue.to_dict(), "queue_id": "bills"}
        with pytest.raises(ConnectError, match=r"'bills' .*refused: the queue that lives here is 'orders'"):
            await Queue.from_dict(description).put("refused")


@pytest.mark.parametrize(
    ("kind", "a", "b", "parts", "reason"),
    [
        (Kind.DATA, 1, 1, [Codec().encode(1).body], "sends 1 records with room for 0"),
        (Kind.DATA, 1, 1, [], "without a body"),
        (Kind.DATA, 1, 1, [b"\xc1"], "cannot decode"),
        (Kind.WANT, 1, 2, [], "asks for 1 places and at least 2"),
        (Kind.WANT, 0, 0, [], "asks for 0 places"),
        (Kind.GIVE_BACK, 1, 0, [], "gives back 1 places of 0"),
        (Kind.DEMAND, 1, 0, [], "kind 48, which a sender does not"),
        (99, 0, 0, [], "kind 99"),
    ],
)
async def test_a_sender_that_does_what_is_not_allowed_is_put_out(
    kind: int, a: int, b: int, parts: list[bytes], reason: str
) -> None:
    async with hosted() as queue, Client(queue) as client:
        client.hello()
        await client.until(Kind.WELCOME)
        client.post(kind, a, b, *parts)
        why, text = await client.refused()
        assert why == Refusal.NOT_ALLOWED
        assert reason in text
        with pytest.raises(BrokenChannel, match="a client by hand went away: what it sent cannot be accepted"):
            await queue.get()
        await still_works(queue)
        client.post(Kind.WANT, 1, 1)
        assert (await client.refused())[0] == Refusal.UNKNOWN_SESSION


@pytest.mark.parametrize(("kind", "a"), [(Kind.DEMAND, 0), (Kind.TAKEN, 1), (Kind.DATA, 1)])
async def test_so_is_a_consumer(kind: Kind, a: int) -> None:
    async with hosted() as queue, Client(queue) as client:
        client.hello(Role.CONSUMER)
        await client.until(Kind.WELCOME)
        client.post(kind, a)
        assert (await client.refused())[0] == Refusal.NOT_ALLOWED
        await still_works(queue)


async def test_an_acknowledgement_of_what_was_not_sent_puts_out() -> None:
    async with hosted() as queue, Client(queue) as client:
        client.hello()
        await client.until(Kind.WELCOME)
        client.socket.send([pack_header(Kind.HEARTBEAT, 0, 7)])
        assert "message 7 is acknowledged" in (await client.refused())[1]


@pytest.mark.parametrize("answer", [b"SAGEQ\x01\x02", b"", pack_header(Kind.WELCOME, 0, 0)])
async def test_a_host_that_speaks_nonsense_is_an_error(answer: bytes) -> None:
    def say(message: list[Buffer]) -> None:
        router.send([message[0], answer, b"\xc1"])

    router = Socket(zmq.ROUTER, say)
    port = int(router.bind("tcp://127.0.0.1:0").rpartition(":")[2])
    async with asyncio.timeout(60):
        with pytest.raises(ConnectError, match="is it a host of sage"):
            await Queue(port=port, queue_id="q", connection_timeout=60, retry_count=0).put(1)
    router.close()


async def test_what_cannot_be_carried_is_refused_where_it_is_put() -> None:
    async with hosted() as queue, Queue.from_dict(queue.to_dict(), local=False) as other:
        with pytest.raises(CodecError, match="object"):
            await other.put(object())
        await other.put(1)
        assert await queue.get() == 1
