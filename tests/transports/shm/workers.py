"""What the other processes of these tests run."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy

from sage.transports.shm import SageQueueDescriptor

__all__ = [
    "SPAWN",
    "host_and_fork",
    "host_and_take",
    "process",
    "send_numbered",
    "send_without_end",
    "take_without_end",
]

SPAWN = multiprocessing.get_context("spawn")
# Forks of a process that has loaded all this and has no loop: a hundred times quicker to start.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.transports.shm.workers"])

Description = dict[str, Any]


@contextmanager
def process(target: Any, *args: Any, context: Any = _FORKS) -> Iterator[BaseProcess]:
    """Another process, which does not outlive the block."""
    other: BaseProcess = context.Process(target=target, args=args, daemon=True)
    other.start()
    try:
        yield other
    finally:
        other.kill()
        other.join()
        other.close()


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def send_numbered(description: Description, count: int) -> None:
    """Put `count` numbered items, every fourth with an array, and end."""

    async def work() -> None:
        async with SageQueueDescriptor[Any].from_dict(description) as queue:
            for number in range(count):
                await queue.put(_item(number))

    _run(work())


def send_without_end(description: Description) -> None:
    """The same until somebody ends the process."""

    async def work() -> None:
        queue = SageQueueDescriptor[Any].from_dict(description)
        number = 0
        while True:
            await queue.put(_item(number))
            number += 1

    _run(work())


def _item(number: int) -> Any:
    return (number, numpy.full(70_000, number % 256, dtype="u1")) if number % 4 == 0 else (number, b"small" * 20)


def host_and_take(connection: Connection, maxsize: int) -> None:
    """Host a queue, tell how it is found, and take from it until somebody ends the process."""

    async def work() -> None:
        queue = await SageQueueDescriptor[Any](maxsize).open()
        connection.send(queue.to_dict())
        while True:
            await queue.get()

    _run(work())


def host_and_fork(connection: Connection) -> None:
    """Host a queue, take one item, and have a child that does nothing for ever."""

    async def work() -> None:
        queue = await SageQueueDescriptor[Any](16).open()
        connection.send(queue.to_dict())
        await queue.get()
        child = os.fork()
        if not child:
            signal.pause()
        connection.send(child)
        await queue.get()

    _run(work())


def take_without_end(description: Description, connection: Connection) -> None:
    """Take from a queue elsewhere and tell each number, until somebody ends the process."""

    async def work() -> None:
        queue = SageQueueDescriptor[Any].from_dict(description)
        while True:
            connection.send((await queue.get())[0])

    _run(work())
