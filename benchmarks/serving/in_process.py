"""The ways of `serving.tokens`: a program of sage, and what one would write with queues."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import sage
from benchmarks.queues import END, Queue, map_each
from benchmarks.serving.streams import OpenAnswer, Opens, exclaim, upper, words

__all__ = ["LARGE", "SAGE", "SMALL", "WAYS", "with_queues", "with_sage"]

SAGE = "sage"
#: Queues that are quick, and queues that are soon.
LARGE, SMALL = "queues of 1,024", "queues of 16"


@asynccontextmanager
async def with_sage() -> AsyncIterator[OpenAnswer]:
    """One program for all requests."""
    env = sage.Environment("tokens")
    env.endpoint("words").flat_map(words, concurrency=256).map(upper).map(exclaim).reply()
    async with env.start() as job:
        yield partial(job.stream, "words")


@asynccontextmanager
async def with_queues(capacity: int) -> AsyncIterator[OpenAnswer]:
    """For each request queues of its own, and a task for each of its three stages.

    Stages that all requests share were slower, and later with the first token: each token has to name its request.
    """
    async with asyncio.TaskGroup() as group:
        yield partial(_answer_by_queues, group, capacity)


async def _answer_by_queues(group: asyncio.TaskGroup, capacity: int, count: int) -> AsyncIterator[str]:
    made, raised, loud = (_queue(capacity) for _ in range(3))
    group.create_task(_generate(count, made))
    group.create_task(map_each(upper, made, raised))
    group.create_task(map_each(exclaim, raised, loud))
    while (token := await loud.get()) is not END:
        yield token


def _queue(capacity: int) -> Queue:
    return asyncio.Queue(capacity)


async def _generate(count: int, outbox: Queue) -> None:
    async for token in words(count):
        await outbox.put(token)
    await outbox.put(END)


#: By name.
WAYS: dict[str, Opens] = {
    LARGE: partial(with_queues, 1_024),
    SAGE: with_sage,
    SMALL: partial(with_queues, 16),
}
