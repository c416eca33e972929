"""What other processes do in the tests."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from sage.transports.zmq import RPCQueueDescriptor

__all__ = ["Description", "host_until_killed", "put_and_leave", "put_until_killed", "spawned", "take_until_killed"]

Description = dict[str, Any]
_SPAWN = multiprocessing.get_context("spawn")


@contextmanager
def spawned(target: Any, *arguments: Any) -> Iterator[BaseProcess]:
    """A process that runs `target`, and does not outlive the block."""
    process = _SPAWN.Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def put_and_leave(description: Description, start: int, count: int) -> None:
    """Put `count` numbers, close, and end at once."""

    async def put() -> None:
        queue = RPCQueueDescriptor[int].from_dict(description)
        for number in range(start, start + count):
            await queue.put(number)
        await queue.aclose()
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(put())


def put_until_killed(description: Description, sender_id: str) -> None:
    """Put numbers, from where the last one of this identity stopped."""

    async def put() -> None:
        sender = await RPCQueueDescriptor[int].from_dict(description).open_sender(sender_id=sender_id)
        number: int = getattr(sender, "received", 0)
        while True:
            await sender.send(number)
            number += 1

    asyncio.run(put())


def take_until_killed(description: Description) -> None:
    """Take items and never tell."""

    async def take() -> None:
        receiver = await RPCQueueDescriptor[int].from_dict(description).open_consumer()
        while True:
            await receiver.receive()
            receiver.drain()

    asyncio.run(take())


def host_until_killed(description: Description, ready: Any) -> None:
    """Host a queue, and take nothing."""

    async def host() -> None:
        queue = await RPCQueueDescriptor[int].from_dict(description).open()
        ready.put(queue.to_dict())
        await asyncio.Event().wait()

    asyncio.run(host())
