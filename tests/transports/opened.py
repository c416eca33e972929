"""A channel that is open on both sides: what the suite of all channels works with."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sage.transports import ChannelDescriptor, EndOfChannel, ReceiveChannel, SendChannel

__all__ = ["Maker", "Opened", "OpensChannels"]

T = TypeVar("T")
Maker = Callable[[str, int | None], ChannelDescriptor[Any]]


class Opened:
    """A channel with its ends, and the tasks that a test started at them."""

    def __init__(
        self, descriptor: ChannelDescriptor[Any], receiver: ReceiveChannel[Any], senders: list[SendChannel[Any]]
    ) -> None:
        self.descriptor = descriptor
        self.receiver = receiver
        self.senders = senders
        self.sender = senders[0]
        self.tasks: list[asyncio.Task[Any]] = []

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def take(self, count: int) -> list[Any]:
        """Drain until `count` items came, without giving their places back."""
        items: list[Any] = []
        there = asyncio.Event()
        self.receiver.listen(there.set)
        while len(items) < count:
            await there.wait()
            there.clear()
            items += self.receiver.drain()
        return items

    async def everything(self) -> list[Any]:
        """Receive until the end."""
        items = []
        while True:
            try:
                items.append(await self.receiver.receive())
            except EndOfChannel:
                return items

    async def aclose(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for sender in self.senders:
            await sender.aclose()
        await self.receiver.aclose()


class OpensChannels:
    """How each part of the suite opens a channel, and lets it come to rest."""

    async def open_sender(self, descriptor: ChannelDescriptor[Any]) -> SendChannel[Any]:
        """Open a sender; overridden where it shall reach the host as another process would."""
        return await descriptor.open_sender()

    async def settle(self) -> None:
        """Return when all that is under way has arrived, on both sides."""
        for _ in range(10):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def open(self, maker: Maker, capacity: int | None = 3, senders: int = 1) -> AsyncIterator[Opened]:
        descriptor = maker("orders", capacity)
        receiver = await descriptor.open_receiver()
        opened = Opened(descriptor, receiver, [await self.open_sender(descriptor) for _ in range(senders)])
        try:
            async with asyncio.timeout(60):
                yield opened
        finally:
            await opened.aclose()
