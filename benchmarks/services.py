"""What a call of a service costs: in this event loop beside a bare await, in another process beside `zmq.asyncio`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from functools import partial
from statistics import median
from typing import Any

import sage
from benchmarks.event_loops import on_loop
from benchmarks.measure import expect, percentile
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan

__all__ = ["run"]

_COLUMNS = (
    Column("work", "work"),
    Column("way", "way"),
    Column("us", "µs", ",.1f"),
    Column("above_us", "above floor, µs", ",.2f"),
    Column("per_second", "per second", ",.0f"),
    Column("times_floor", "× floor", ".2f"),
)
_FLOOR = "inproc: a bare await, and its own generator; zmq: `zmq.asyncio` DEALER and ROUTER, one call each"


class Bench(sage.Service):
    """What is called."""

    async def echo(self, value: int) -> int:
        return value

    async def nap(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def items(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @sage.batched(max_size=64, max_wait=0.001)
    async def gathered(self, values: list[int]) -> list[int]:
        return values


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    rows: list[Row] = []
    for place in ("inproc", "zmq"):
        plan.progress(f"services: {place}")
        rows += on_loop(partial(_measure, plan, place))
    return [
        Outcome(
            "services",
            "calls of a service, in this event loop and in another process",
            _FLOOR,
            _COLUMNS,
            rows,
            Chart("us", "µs for each call or item", "{way}: {work}"),
            (
                Goal({"way": "sage inproc", "work": "call"}, "above_us", most=5),
                Goal({"way": "sage inproc", "work": "1,000 calls of 10 ms at once"}, "us", most=13_000),
                Goal({"way": "sage inproc", "work": "item of a stream"}, "per_second", least=1_000_000),
                Goal({"way": "sage zmq", "work": "call"}, "times_floor", most=1),
                Goal({"way": "sage zmq", "work": "call, 64 callers"}, "per_second", least=100_000),
                Goal({"way": "sage zmq", "work": "item of a stream"}, "per_second", least=500_000),
            ),
        )
    ]


async def _measure(plan: Plan, place: str) -> list[Row]:
    env = sage.Environment("benchmark")
    env.register_service("bench", Bench, place=place)
    way, calls, items = f"sage {place}", plan.size(20_000, 200), plan.size(500_000, 2_000)
    async with env.services() as services:
        bench = services["bench"]
        await bench.echo(0)
        one = calls if place == "inproc" else calls // 10
        if place == "inproc":
            bare = Bench()
            floor = await _least(plan, lambda: _each(bare.echo, one))
            rows: list[Row] = [{"work": "call", "way": "a bare await", "us": floor}]
            rows.append({"work": "call", "way": "queue and future", "us": await _least(plan, lambda: _queued(one))})
        else:
            floor = await _least(plan, lambda: _dealer(one))
            rows = [{"work": "call", "way": "zmq.asyncio", "us": floor}]
        took = await _least(plan, lambda: _each(bench.echo, one))
        rows.append({"work": "call", "way": way, "us": took, "above_us": took - floor, "times_floor": took / floor})
        many = await _least(plan, lambda: _at_once(bench.echo, calls, 64))
        rows.append({"work": "call, 64 callers", "way": way, "us": many, "per_second": 1e6 / many})
        wide = await _least(plan, lambda: _wide(bench.nap, 1_000))
        rows.append({"work": "1,000 calls of 10 ms at once", "way": way, "us": wide})
        stream = await _least(plan, lambda: _read(bench.items, items))
        rows.append({"work": "item of a stream", "way": way, "us": stream, "per_second": 1e6 / stream})
        lists = await _least(plan, lambda: _at_once(bench.gathered, calls, 256))
        rows.append({"work": "call gathered into lists of 64", "way": way, "us": lists, "per_second": 1e6 / lists})
    return rows


async def _least(plan: Plan, measure: Callable[[], Awaitable[float]]) -> float:
    """The median of all runs but the first, which warms up."""
    runs = [await measure() for _ in range(1 + plan.pairs)]
    return median(runs[1:])


async def _each(call: Callable[[int], Awaitable[int]], count: int) -> float:
    """Microseconds for a call: the median of those made one after the other, in tens."""
    tens = []
    for _ in range(max(1, count // 10)):
        began = time.perf_counter()
        for number in range(10):
            await call(number)
        tens.append((time.perf_counter() - began) / 10)
    return 1e6 * percentile(tens, 50)


async def _at_once(call: Callable[[int], Awaitable[int]], count: int, callers: int) -> float:
    async def caller() -> None:
        for number in range(count // callers):
            expect(await call(number) == number, "an answer is not the right one")

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return 1e6 * (time.perf_counter() - began) / (count // callers * callers)


async def _wide(nap: Callable[[float], Awaitable[None]], count: int) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(nap(0.01) for _ in range(count)))
    return 1e6 * (time.perf_counter() - began)


async def _read(items: Callable[[int], AsyncIterator[int]], count: int) -> float:
    began, seen = time.perf_counter(), 0
    async for _ in items(count):
        seen += 1
    expect(seen == count, "the stream is not whole")
    return 1e6 * (time.perf_counter() - began) / count


async def _queued(count: int) -> float:
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
        return await _each(ask, count)
    finally:
        server.cancel()


async def _dealer(count: int) -> float:
    """A call over `zmq.asyncio`, echoed by a process of its own."""
    import sys

    import zmq
    import zmq.asyncio
    from msgpack import packb, unpackb

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

            await ask(0)
            return await _each(ask, count)
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
