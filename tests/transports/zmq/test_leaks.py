"""Nothing stays open."""

import asyncio
from typing import Any

import pytest

from sage.transports import ConnectError
from sage.transports.zmq import KeyPair, RPCQueueDescriptor
from tests.transports.zmq.leaks import no_leak

Queue = RPCQueueDescriptor[Any]
HOST, WORKER = KeyPair.generate(), KeyPair.generate()


async def use(queue: Queue) -> None:
    async with queue, asyncio.timeout(60):
        await queue.open()
        puts, takes = (Queue.from_dict(queue.to_dict(), local=False) for _ in range(2))
        for end in (puts, takes):
            end.keys = WORKER if queue.server_key else None
        async with puts, takes:
            await puts.put(b"x" * 100_000)
            assert len(await takes.get()) == 100_000


async def use_all() -> None:
    await use(Queue())
    await use(Queue(endpoint="ipc://*"))
    await use(Queue(keys=HOST, clients=[WORKER.public]))
    with pytest.raises(ConnectError):
        await Queue(port=9, connection_timeout=0.01, retry_count=1).put("lost")


async def test_queues_that_were_closed_leave_nothing_open() -> None:
    async with no_leak(use_all):
        for _ in range(3):
            await use_all()


async def test_a_host_whose_sender_never_closed_leaves_nothing_open() -> None:
    async def abandon() -> None:
        async with Queue(lost_after=0.2) as queue, asyncio.timeout(60):
            await queue.open()
            sender = await Queue.from_dict(queue.to_dict(), local=False).open_sender()
            await sender.send(1)
        await sender.aclose()

    async with no_leak(abandon):
        for _ in range(3):
            await abandon()
