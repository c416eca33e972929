"""Queues inside one event loop: between two tasks."""

import asyncio
from collections.abc import Awaitable, Callable

from benchmarks.contest import Contest, hold
from benchmarks.event_loops import on_loop
from benchmarks.measure import expect
from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from sage.transports import create_queue

__all__ = ["memory"]

_CAPACITY = 1_024


def memory(plan: Plan) -> list[Outcome]:
    """Numbers, put and got one by one."""
    count = plan.size(500_000, 5_000)
    contest: Contest[range, list[int]] = Contest(
        name="transports.memory",
        title=f"{count:,} numbers between two tasks of one event loop, put and got one by one",
        work=range(count),
        records=count,
        floor_name="asyncio.Queue",
        floor=_by_asyncio,
        subject=_by_sage,
        check=lambda found: expect(found == list(range(count)), f"{len(found)} of {count} numbers, or in disorder"),
    )
    return [hold(contest, plan)]


def _by_asyncio(numbers: range) -> list[int]:
    queue: asyncio.Queue[int] = asyncio.Queue(_CAPACITY)
    return on_loop(lambda: _through(numbers, queue.put, queue.get))


def _by_sage(numbers: range) -> list[int]:
    async def program() -> list[int]:
        async with create_queue("python", maxsize=_CAPACITY) as queue:
            return await _through(numbers, queue.put, queue.get)

    return on_loop(program)


async def _through(
    numbers: range, put: Callable[[int], Awaitable[None]], get: Callable[[], Awaitable[int]]
) -> list[int]:
    async def put_all() -> None:
        for number in numbers:
            await put(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(put_all())
        return [await get() for _ in numbers]
