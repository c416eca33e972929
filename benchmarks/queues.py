"""Hand-written pipelines: one task a stage, joined by asyncio queues."""

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Any

__all__ = ["END", "Queue", "deliver", "feed", "map_each", "pipeline"]

#: Behind the last record.
END: Any = object()

Queue = asyncio.Queue[Any]


async def feed(records: AsyncIterable[Any], outbox: Queue) -> None:
    """The first stage."""
    async for record in records:
        await outbox.put(record)
    await outbox.put(END)


async def map_each(function: Callable[[Any], Any], inbox: Queue, outbox: Queue) -> None:
    """A stage between two others."""
    while (record := await inbox.get()) is not END:
        await outbox.put(function(record))
    await outbox.put(END)


async def deliver(function: Callable[[Any], Any], inbox: Queue) -> None:
    """The last stage; its function may be async."""
    is_async = asyncio.iscoroutinefunction(function)
    while (record := await inbox.get()) is not END:
        done = function(record)
        if is_async:
            await done


async def pipeline(
    source: AsyncIterable[Any], functions: list[Callable[[Any], Any]], sink: Callable[[Any], Any], *, capacity: int
) -> None:
    """Run a source, a map for each of the functions, and a sink, to the end.

    Cancel safety: cancelling it cancels all stages.

    Args:
        source: the records.
        functions: one for each stage between.
        sink: a plain or async function for each record.
        capacity: how many records each queue holds.
    """
    queues: list[Queue] = [asyncio.Queue(capacity) for _ in range(len(functions) + 1)]
    async with asyncio.TaskGroup() as group:
        group.create_task(feed(source, queues[0]))
        for function, inbox, outbox in zip(functions, queues[:-1], queues[1:], strict=True):
            group.create_task(map_each(function, inbox, outbox))
        group.create_task(deliver(sink, queues[-1]))
