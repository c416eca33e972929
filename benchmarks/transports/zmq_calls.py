"""Calls on `zmq.asyncio` by hand: a DEALER asks, a ROUTER answers, and both pack and unpack with msgpack."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial
from itertools import count
from typing import Any

import zmq
import zmq.asyncio

from benchmarks.event_loops import on_loop
from benchmarks.transports.calls import Calls, Stream, call_all, read_all, serve
from benchmarks.transports.flow import hear
from benchmarks.transports.packing import pack, unpack
from benchmarks.transports.round_trip import Trips, answer_trips, ask_trips
from benchmarks.transports.stage import Way
from benchmarks.transports.worker import Figures, Port

__all__ = ["call_many", "echo", "stream"]

NAME = "zmq.asyncio"


def echo(trips: Trips) -> Way:
    """One call at a time."""
    return Way(NAME, partial(_ask, trips=trips), partial(_answer, trips=trips), trips.count)


def call_many(calls: Calls) -> Way:
    """Many at a time: each has a number, by which a task finds who waits for its answer."""
    return Way(NAME, partial(_call, calls=calls), _serve, calls.count)


def stream(items: Stream) -> Way:
    """One call that is answered with many messages."""
    return Way(NAME, partial(_read, stream=items), partial(_give, stream=items), items.count)


@asynccontextmanager
async def _dealer(port: Port) -> AsyncIterator[zmq.asyncio.Socket]:
    with zmq.asyncio.Context() as context, closing(context.socket(zmq.DEALER)) as socket:
        socket.linger = 0
        socket.connect(await hear(port))
        yield socket


@asynccontextmanager
async def _router(port: Port) -> AsyncIterator[zmq.asyncio.Socket]:
    with zmq.asyncio.Context() as context, closing(context.socket(zmq.ROUTER)) as socket:
        socket.linger = 0
        socket.set_hwm(0)  # a ROUTER drops what does not fit
        socket.bind("tcp://127.0.0.1:*")
        port.tell(socket.get_string(zmq.LAST_ENDPOINT))
        yield socket


def _ask(port: Port, trips: Trips) -> Figures:
    async def program() -> Figures:
        async with _dealer(port) as socket:

            async def ask(record: Any) -> Any:
                await socket.send(pack(record))
                return unpack(await socket.recv())

            return await ask_trips(port, trips, ask)

    return on_loop(program)


def _answer(port: Port, trips: Trips) -> Figures:
    async def program() -> Figures:
        async with _router(port) as socket:

            async def get() -> Any:
                caller, body = await socket.recv_multipart()
                return caller, unpack(body)

            async def put(request: Any) -> None:
                caller, record = request
                await socket.send_multipart([caller, pack(record)])

            return await answer_trips(port, trips, get, put)

    return on_loop(program)


def _call(port: Port, calls: Calls) -> Figures:
    async def program() -> Figures:
        async with _dealer(port) as socket:
            waiting: dict[int, asyncio.Future[Any]] = {}
            numbers = count()

            async def call(record: Any) -> Any:
                number = next(numbers)
                answer = waiting[number] = asyncio.get_running_loop().create_future()
                await socket.send(pack((number, record)))
                return await answer

            async def read() -> None:
                while True:
                    number, answer = unpack(await socket.recv())
                    waiting.pop(number).set_result(answer)

            async with asyncio.TaskGroup() as group:
                reader = group.create_task(read())
                figures = await call_all(port, calls, call)
                reader.cancel()
            return figures

    return on_loop(program)


def _serve(port: Port) -> Figures:
    async def program() -> Figures:
        async with _router(port) as socket:

            async def answer_all() -> None:
                while True:
                    caller, body = await socket.recv_multipart()
                    number, record = unpack(body)
                    await socket.send_multipart([caller, pack((number, record))])

            async with asyncio.TaskGroup() as group:
                server = group.create_task(answer_all())
                figures = await serve(port)
                server.cancel()
            return figures

    return on_loop(program)


def _read(port: Port, stream: Stream) -> Figures:
    async def program() -> Figures:
        async with _dealer(port) as socket:

            async def items(count: int) -> AsyncGenerator[Any, None]:
                await socket.send(pack(count))
                for _ in range(count):
                    yield unpack(await socket.recv())

            return await read_all(port, stream, lambda count: aclosing(items(count)))

    return on_loop(program)


def _give(port: Port, stream: Stream) -> Figures:
    async def program() -> Figures:
        async with _router(port) as socket:

            async def answer_all() -> None:
                while True:
                    caller, body = await socket.recv_multipart()
                    async for item in stream.items(unpack(body)):
                        await socket.send_multipart([caller, pack(item)])

            async with asyncio.TaskGroup() as group:
                server = group.create_task(answer_all())
                figures = await serve(port)
                server.cancel()
            return figures

    return on_loop(program)
