"""Queues: what `asyncio.Queue` offers, on any transport.

A queue is a channel that does not end by itself. It lives at its *host*, the process that opened it; any process may
put, and any may get::

    host       queue = create_queue("rpc", maxsize=64); await queue.open(); send(queue.to_dict())
    elsewhere  queue = resolve_descriptor(received);    await queue.put(item);  await queue.aclose()

One bound holds for all who put, and each item goes to one of those who get. What one task puts arrives in that order.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from sage.transports.channel import ReceiveChannel, SendChannel
from sage.transports.descriptor import ChannelDescriptor
from sage.transports.errors import ClosedChannel, EndOfChannel, WouldBlock
from sage.transports.place import Place, place_of

__all__ = ["BaseQueueDescriptor", "QueueDescriptor"]

T = TypeVar("T")


class QueueDescriptor(ChannelDescriptor[T]):
    """Names a queue, and is used as one: the ends are opened on first use.

    Descriptors of one queue in one process (clones, resolved ones) share what they have open. `aclose` closes what this
    descriptor opened; the queue itself is closed by the descriptor that hosts it.
    """

    def __init__(self, maxsize: int, queue_id: str | None = None) -> None:
        super().__init__(maxsize, queue_id)
        self._place: Place[T] = place_of(self.queue_type, self.queue_id)
        self._sender: SendChannel[T] | None = None
        # The loop in which this descriptor was last used.
        self._loop: asyncio.AbstractEventLoop | None = None
        # Whether closing this descriptor closes the queue: it was made here, or `open` was called on it.
        self._owns = True
        self._closed = False

    # -- its life ----------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def hosted_elsewhere(self) -> bool:
        """Whether the queue is known to live at an address that is not this process."""

    @abstractmethod
    async def open_consumer(self) -> ReceiveChannel[T]:
        """Return an end that takes from the queue at its host elsewhere; each item goes to one of those who take.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            ConnectError: the host cannot be reached.
        """

    @property
    def is_initialized(self) -> bool:
        """Whether an end of the queue is open here."""
        return self._sender is not None or self._place.receiver is not None

    @property
    def can_serialize(self) -> bool:
        """Whether the descriptor can go elsewhere: always, also after use. What is open stays here."""
        return True

    async def open(self) -> Self:
        """Host the queue in this process and return the descriptor; a second time is harmless.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            UnreachableChannel: the queue cannot live here, or is hosted elsewhere already.
        """
        self._enter()
        async with self._place.opening:
            if self._place.receiver is None:
                await self._host()
        self._owns = True
        return self

    async def aclose(self) -> None:
        """Close what this descriptor opened: what was put arrives, and the host's queue drops what nobody got.

        Closing twice is harmless.

        Cancel safety: when cancelled, all is closed all the same, but the arrival of what was put was not waited for.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._sender is not None:
                await self._sender.aclose()
        finally:
            if self._owns:
                await self._place.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- put and get -------------------------------------------------------------------------------------------------

    async def put(self, item: T) -> None:
        """Put an item in, waiting while the queue is full.

        Cancel safety: when cancelled, the item was not put, and whoever waits behind is not held up.

        Raises:
            CodecError: the item cannot be carried to where the queue lives.
            ConnectError: the host cannot be reached.
            ReceiverClosed: the host has closed the queue.
            BrokenChannel: the host is gone.
            ClosedChannel: this descriptor is closed.
        """
        self._enter()
        sender = self._sender or await self._open_sender()
        await sender.send(item)

    def put_nowait(self, item: T) -> None:
        """Put an item in if there is room now.

        Raises:
            WouldBlock: there is none, or the queue is not open yet.
            CodecError, ReceiverClosed, BrokenChannel, ClosedChannel: as in `put`.
        """
        self._enter()
        if self._sender is None:
            self._open_at_once()
        sender = cast(SendChannel[T], self._sender)
        if not sender.try_send(item):
            raise WouldBlock("there is no room now", channel=self.name, address=self.address)

    async def get(self) -> T:
        """Take the oldest item, waiting while there is none.

        Cancel safety: when cancelled, nothing was taken.

        Raises:
            ConnectError: the host cannot be reached.
            EndOfChannel: the queue is hosted elsewhere, and its host has closed it.
            BrokenChannel: a process that put, or the host, is gone. It is told once for each; the queue goes on.
            ClosedChannel: the queue is closed.
        """
        self._enter()
        if self._place.receiver is None:
            await self._open_receiver()
        return await self._place.getters.get()

    def get_nowait(self) -> T:
        """Take the oldest item if there is one.

        Raises:
            WouldBlock: nothing is there now, or the queue is not open yet.
            EndOfChannel, BrokenChannel, ClosedChannel: as in `get`.
        """
        self._enter()
        if self._place.receiver is None:
            self._open_at_once()
        return self._place.getters.get_nowait()

    async def __aiter__(self) -> AsyncIterator[T]:
        """All items, until the queue's host closes it.

        Cancel safety: as `get`.
        """
        while True:
            try:
                item = await self.get()
            except EndOfChannel:
                return
            yield item

    # -- how it stands -----------------------------------------------------------------------------------------------

    def qsize(self) -> int:
        """How many items are in the queue; away from its host, as the host last told it."""
        if self._place.hosts:
            statistics = cast(ReceiveChannel[T], self._place.receiver).statistics()
            return statistics.sent - statistics.received
        end = self._sender or self._place.receiver
        return 0 if end is None else end.statistics().used

    def empty(self) -> bool:
        """Whether nothing is in the queue, as `qsize` knows it."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether the queue holds as many items as it may, as `qsize` knows it."""
        return 0 < self.maxsize <= self.qsize()

    # -- names -------------------------------------------------------------------------------------------------------

    def clone(self, new_queue_id: str | None = None) -> Self:
        """Another descriptor of the same queue; with a new name, of another queue that is described alike."""
        if new_queue_id is None:
            twin = type(self).from_dict(self.to_dict())
            twin._place = self._place
        else:
            twin = type(self).from_metadata(new_queue_id, self._metadata_of_another())
            twin._owns = True
        return twin

    @classmethod
    def from_dict(cls, description: Any, *, local: bool = True) -> Self:
        """The descriptor that `to_dict` described.

        Args:
            description: what `to_dict` gave.
            local: use the queue directly if this process hosts it; otherwise, reach it as another process would.
        """
        descriptor = super().from_dict(description)
        descriptor._owns = False
        if not local:
            descriptor._place = Place()
        return descriptor

    def __str__(self) -> str:
        return f"Queue[{self.queue_type}]({self.queue_id})"

    def __repr__(self) -> str:
        state = "open" if self.is_initialized else "lazy"
        return f"{type(self).__name__}({self.queue_id!r}, maxsize={self.maxsize}, {state}, {self.address})"

    # -- opening -----------------------------------------------------------------------------------------------------

    def _metadata_of_another(self) -> dict[str, Any]:
        """The metadata for a queue like this one but with another name; without what tells where this one lives."""
        return self.metadata

    def _enter(self) -> None:
        if self._closed:
            raise ClosedChannel("this descriptor is closed; clone it", channel=self.name, address=self.address)
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._place.enter(self)
            self._sender = None  # one of a loop that has ended
            self._loop = loop

    async def _open_sender(self) -> SendChannel[T]:
        async with self._place.opening:
            if self._sender is None:
                if self._place.receiver is None and not self.hosted_elsewhere:
                    await self._host()
                self._sender = await self.open_sender()
        return self._sender

    async def _open_receiver(self) -> None:
        async with self._place.opening:
            if self._place.receiver is None:
                if self.hosted_elsewhere:
                    self._place.keep(await self.open_consumer(), None)
                else:
                    await self._host()

    async def _host(self) -> None:
        receiver = await self.open_receiver()
        try:
            self._place.keep(receiver, await self.open_sender())
        except BaseException:
            await receiver.aclose()
            raise

    def _open_at_once(self) -> None:
        """Open what `put_nowait` and `get_nowait` need, without waiting; kinds that must wait for it refuse."""
        raise WouldBlock("it is not open yet: await open() first", channel=self.name, address=self.address)


#: The name it had in the original SAGE.
BaseQueueDescriptor = QueueDescriptor
