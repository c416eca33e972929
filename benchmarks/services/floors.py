"""What one would write by hand."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import zmq
import zmq.asyncio
from msgpack import packb, unpackb

from benchmarks.services.subject import Bench, Called

__all__ = ["bare", "dealer", "queued"]


@asynccontextmanager
async def bare() -> AsyncIterator[Called]:
    """The method itself, awaited, and the generator itself, read."""
    bench = Bench()
    yield Called(bench.echo, bench.echo, bench.items, bench.nap)


@asynccontextmanager
async def queued() -> AsyncIterator[Called]:
    """A task that answers through futures: the usual way to ask an actor within a loop."""
    inbox: asyncio.Queue[tuple[int, asyncio.Future[int]]] = asyncio.Queue()

    async def serve() -> None:
        while True:
            number, answer = await inbox.get()
            answer.set_result(number)

    async def ask(number: int) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        inbox.put_nowait((number, answer))
        return await answer

    server = asyncio.create_task(serve())
    try:
        yield Called(ask, ask)
    finally:
        server.cancel()


@asynccontextmanager
async def dealer() -> AsyncIterator[Called]:
    """A call over `zmq.asyncio`, answered by a process of its own; one at a time."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ROUTER, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        with zmq.asyncio.Context() as context, closing(context.socket(zmq.DEALER)) as socket:
            socket.linger = 0
            socket.connect(address)

            async def ask(number: int) -> Any:
                await socket.send(packb(number))
                return unpackb(await socket.recv())

            yield Called(ask)
    finally:
        process.kill()
        await process.wait()


_ROUTER = """
import asyncio, uvloop, zmq, zmq.asyncio
from msgpack import packb, unpackb
async def main():
    socket = zmq.asyncio.Context().socket(zmq.ROUTER)
    socket.bind("tcp://127.0.0.1:*")
    print(socket.get_string(zmq.LAST_ENDPOINT), flush=True)
    while True:
        caller, body = await socket.recv_multipart()
        await socket.send_multipart([caller, packb(unpackb(body))])
asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
"""
