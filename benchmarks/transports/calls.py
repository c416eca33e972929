"""Many calls at a time, and calls that are answered with a stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from benchmarks.measure import expect
from benchmarks.transports.flow import Records
from benchmarks.transports.stage import clock
from benchmarks.transports.worker import Figures, Port

__all__ = ["Calls", "OpenStream", "Stream", "call_all", "read_all", "serve"]


OpenStream = Callable[[int], AbstractAsyncContextManager[AsyncIterator[Any]]]


@dataclass(frozen=True)
class Calls:
    """How many.

    Args:
        count: calls that are measured.
        callers: how many are under way at a time.
        timeout: how long each may take, in seconds; `None` for as long as it likes.
    """

    count: int
    callers: int = 64
    timeout: float | None = None

    @property
    def warm_up(self) -> int:
        """How many go before those that are measured."""
        return self.callers + self.count // 10


@dataclass(frozen=True)
class Stream:
    """An answer of many small texts, as a language model gives.

    Args:
        count: how many items one answer has.
    """

    count: int

    @property
    def warm_up(self) -> int:
        """How many items an answer before it has."""
        return 1 + self.count // 10

    async def items(self, count: int) -> AsyncIterator[str]:
        """The server's function.

        Cancel safety: it never waits.
        """
        for number in range(count):
            yield _TEXTS[number % 100]


_TEXTS = [f" word {number}" for number in range(100)]


async def call_all(port: Port, calls: Calls, call: Callable[[Any], Awaitable[Any]]) -> Figures:
    """The near part: call with a record, and expect the record back.

    Cancel safety: calls that are under way are given up.

    Raises:
        WrongResult: an answer is not what was asked with.
    """

    async def caller(records: Iterator[Any]) -> None:
        for record in records:
            answer = await call(record)
            if answer["id"] != record["id"]:
                expect(False, f"asked with {record['id']}, answered with {answer['id']}")

    async def all_callers(records: Iterator[Any]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(calls.callers):
                group.create_task(caller(records))

    await all_callers(islice(Records(calls.count).items(), calls.warm_up))
    port.tell("warm")
    began, cpu = clock(), time.process_time()
    await all_callers(islice(Records(calls.count).items(), calls.count))
    figures = {"began": began, "ended": clock(), "call_cpu": time.process_time() - cpu}
    port.tell("done")
    return figures


async def read_all(port: Port, stream: Stream, open_stream: OpenStream) -> Figures:
    """The near part: read an answer of so many items to its end.

    Cancel safety: what was not read is given up.

    Raises:
        WrongResult: other items came.
    """
    await _read(open_stream, stream.warm_up)
    port.tell("warm")
    began, cpu = clock(), time.process_time()
    await _read(open_stream, stream.count)
    figures = {"began": began, "ended": clock(), "call_cpu": time.process_time() - cpu}
    port.tell("done")
    return figures


async def _read(open_stream: OpenStream, total: int) -> None:
    numbers = count()
    async with open_stream(total) as items:
        async for item in items:
            number = next(numbers)
            if item != _TEXTS[number % 100]:
                expect(False, f"{item!r} came in the place of item {number}")
    found = next(numbers)
    expect(found == total, f"{found} of {total} items came")


async def serve(port: Port) -> Figures:
    """The far part: answer, in other tasks, until the near one is done.

    Cancel safety: it can be called again.
    """
    began = await asyncio.to_thread(_cpu_when_told, port)
    return {"serve_cpu": await asyncio.to_thread(_cpu_when_told, port) - began}


def _cpu_when_told(port: Port) -> float:
    """Read at once: a loop that is busy with answering would be late."""
    port.hear()
    return time.process_time()
