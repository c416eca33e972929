"""What the tests of remote calls share: a server with a client, and methods that tell what happens to them."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sage.transports.rpc import RpcClient, RpcHandler, RpcServer

__all__ = ["Probe", "far_server", "open_files", "served", "until"]


@asynccontextmanager
async def served(
    handler: RpcHandler | Mapping[str, Callable[..., Any]], **options: Any
) -> AsyncIterator[tuple[RpcServer, RpcClient]]:
    """A server and a client of it, in this loop; `options` are the server's."""
    async with RpcServer(handler, "ipc://*", **options) as server, RpcClient(server.address) as client:
        yield server, client


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something has happened in it; it is a failure if that takes a minute."""
    async with asyncio.timeout(60):
        while not condition():  # it is other code that makes it true, in its own time
            await asyncio.sleep(0.001)


class Probe:
    """Methods that tell what happens to them.

    Attributes:
        started: how often `hang` or `count` was begun.
        cancelled: how often `hang` was cancelled.
        closed: how often the generator of `count` was closed, or came to its end.
        made: how many items `count` has made.
    """

    def __init__(self) -> None:
        self.started = 0
        self.cancelled = 0
        self.closed = 0
        self.made = 0

    def methods(self) -> dict[str, Callable[..., Any]]:
        """To be served."""
        return {"hang": self.hang, "count": self.count}

    async def hang(self) -> None:
        """Wait for ever."""
        self.started += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def count(self, end: int) -> AsyncGenerator[int, None]:
        """Count from 0."""
        self.started += 1
        try:
            for number in range(end):
                self.made += 1
                yield number
        finally:
            self.closed += 1


_FAR = """
import asyncio, sys
from sage.transports.rpc import RpcServer

async def add(a, b):
    return a + b

async def hang():
    await asyncio.Event().wait()

async def numbers(end):
    for number in range(end):
        yield number

async def forever():
    number = 0
    while True:
        yield number
        number += 1

async def main():
    methods = {"add": add, "forever": forever, "hang": hang, "numbers": numbers}
    async with RpcServer(methods, sys.argv[1]) as server:
        print(server.address, flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""


@asynccontextmanager
async def far_server(address: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server in a process of its own: the process, and the address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _FAR,
        address,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


def open_files() -> set[str]:
    """The files, sockets and pipes that this process has open."""
    return set(os.listdir("/proc/self/fd"))
