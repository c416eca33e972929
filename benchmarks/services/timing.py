"""How long calls take: one after the other, many at a time, and as items of a stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from benchmarks.measure import expect, percentile

__all__ = ["at_once", "each", "read", "wide"]


async def each(call: Callable[[int], Awaitable[int]], count: int) -> float:
    """Microseconds for a call: the median of those made one after the other, in tens."""
    tens = []
    for _ in range(max(1, count // 10)):
        began = time.perf_counter()
        for number in range(10):
            await call(number)
        tens.append((time.perf_counter() - began) / 10)
    return 1e6 * percentile(tens, 50)


async def at_once(call: Callable[[int], Awaitable[int]], count: int, callers: int) -> float:
    """Microseconds for a call, with so many callers that each wait for their own."""

    async def caller() -> None:
        for number in range(count // callers):
            expect(await call(number) == number, "an answer is not the right one")

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return 1e6 * (time.perf_counter() - began) / (count // callers * callers)


async def wide(nap: Callable[[float], Awaitable[None]], count: int) -> float:
    """Microseconds for so many calls of 10 ms, all made at once."""
    began = time.perf_counter()
    await asyncio.gather(*(nap(0.01) for _ in range(count)))
    return 1e6 * (time.perf_counter() - began)


async def read(items: Callable[[int], AsyncIterator[int]], count: int) -> float:
    """Microseconds for an item of a stream."""
    began, seen = time.perf_counter(), 0
    async for _ in items(count):
        seen += 1
    expect(seen == count, "the stream is not whole")
    return 1e6 * (time.perf_counter() - began) / count
