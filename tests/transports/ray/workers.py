"""Actors that use a queue from processes of their own."""

import asyncio
from typing import Any

from sage.transports import ChannelError, QueueDescriptor, resolve_descriptor

__all__ = ["Worker", "start"]


class Worker:
    """Puts and gets, by the description of a queue."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.queue: QueueDescriptor[Any] = resolve_descriptor(description)

    async def put(self, items: list[Any]) -> str:
        """Put items; tell what went wrong."""
        try:
            for item in items:
                await self.queue.put(item)
        except ChannelError as error:
            return type(error).__name__
        return "put"

    async def put_and_close(self, items: list[Any]) -> None:
        for item in items:
            await self.queue.put(item)
        await self.queue.aclose()

    async def get(self, count: int) -> list[Any]:
        return [await self.queue.get() for _ in range(count)]

    async def get_within(self, seconds: float) -> Any:
        """Get an item, or give up: the get is cancelled."""
        try:
            async with asyncio.timeout(seconds):
                return await self.queue.get()
        except TimeoutError:
            return None

    async def hand_on(self, results: dict[str, Any]) -> None:
        """Hand everything on to another queue, until the end."""
        onward: QueueDescriptor[Any] = resolve_descriptor(results)
        async for item in self.queue:
            await onward.put(item)
        await onward.aclose()
        await self.queue.aclose()

    async def take_ahead(self) -> Any:
        """Get one item; what came along is left here, not taken."""
        return await self.queue.get()

    async def drain_without_release(self) -> list[Any]:
        """Take what is there, and neither acknowledge it nor go on."""
        self.receiver = await self.queue.open_consumer()
        there = asyncio.Event()
        self.receiver.listen(there.set)
        await there.wait()
        return self.receiver.drain()

    async def until_it_ends(self) -> list[Any]:
        items = [item async for item in self.queue]
        await self.queue.aclose()
        return items


def start(description: dict[str, Any]) -> Any:
    """A worker in a process of its own."""
    import ray

    return ray.remote(num_cpus=0)(Worker).remote(description)
