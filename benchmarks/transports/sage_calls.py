"""Calls by `sage.transports.rpc`: the far process serves, the near one calls."""

from functools import partial
from typing import Any

from benchmarks.event_loops import on_loop
from benchmarks.transports.calls import Calls, Stream, call_all, read_all, serve
from benchmarks.transports.flow import hear
from benchmarks.transports.round_trip import Trips, ask_trips
from benchmarks.transports.stage import Way
from benchmarks.transports.worker import Figures, Port
from sage.transports.rpc import RpcClient, RpcServer

__all__ = ["call_each", "call_many", "stream"]


async def _echo(record: Any) -> Any:
    return record


def call_each(trips: Trips) -> Way:
    """`await client.call("echo", record)`, one at a time."""
    return Way("sage rpc", partial(_ask, trips), _serve_trips, trips.count)


def call_many(name: str, calls: Calls) -> Way:
    """The same, many at a time; with a deadline each, if they are to have one."""
    return Way(name, partial(_call, calls), _serve, calls.count)


def stream(name: str, items: Stream, window: int) -> Way:
    """One call of an async generator, whose items are read as they come.

    Args:
        name: how tables call it.
        items: how many items the answer has.
        window: how many may wait unread.
    """
    return Way(name, partial(_read, items, window), partial(_serve_stream, items), items.count)


def _ask(trips: Trips, port: Port) -> Figures:
    async def program() -> Figures:
        async with RpcClient(await hear(port)) as client:
            return await ask_trips(port, trips, partial(client.call, "echo"))

    return on_loop(program)


def _call(calls: Calls, port: Port) -> Figures:
    async def program() -> Figures:
        async with RpcClient(await hear(port)) as client:
            call = partial(client.call, "echo", timeout=calls.timeout)
            return await call_all(port, calls, call)

    return on_loop(program)


def _read(stream: Stream, window: int, port: Port) -> Figures:
    async def program() -> Figures:
        async with RpcClient(await hear(port)) as client:
            return await read_all(port, stream, lambda count: client.stream("items", count, window=window))

    return on_loop(program)


def _serve_trips(port: Port) -> Figures:
    async def program() -> Figures:
        async with RpcServer({"echo": _echo}) as server:
            port.tell(server.address)
            await hear(port)
        return {}

    return on_loop(program)


def _serve(port: Port) -> Figures:
    async def program() -> Figures:
        async with RpcServer({"echo": _echo}) as server:
            port.tell(server.address)
            return await serve(port)

    return on_loop(program)


def _serve_stream(stream: Stream, port: Port) -> Figures:
    async def program() -> Figures:
        async with RpcServer({"items": stream.items}) as server:
            port.tell(server.address)
            return await serve(port)

    return on_loop(program)
