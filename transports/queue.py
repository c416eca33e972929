"""Queues: what `asyncio.Queue` offers, on any transport.

A queue is a channel that does not end by itself. It lives at its *host*, the process that opened it; any process may
put, and any may get::

    host       queue = create_queue("rpc", maxsize=64); await queue.open(); send(queue.to_dict())
    elsewhere  queue = resolve_descriptor(received);    await queue.put(item);  await queue.aclose()

One bound holds for all who put, and each item goes to one of those who get. What one task puts arrives in that order.
No method has a `timeout` or a `block` of its own: ``async with asyncio.timeout(5):`` bounds any wait, and `put_nowait`
and `get_nowait` do not wait.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Self, TypeVar

from sage.transports.ends import SharedEnds
from sage.transports.errors import ClosedChannel, EndOfChannel, WouldBlock
from sage.transports.place import Place

__all__ = ["BaseQueueDescriptor", "QueueDescriptor"]

T = TypeVar("T")

# How many items of one call are put before others have their turn.
_MANY = 1024


class QueueDescriptor(SharedEnds[T]):
    """Names a queue, and is used as one: the ends are opened on first use.

    Descriptors of one queue in one process (clones, resolved ones) share what they have open. `aclose` closes what this
    descriptor opened; the queue itself is closed by the descriptor that was made or opened at its host. It is gone with
    the event loop in which it was opened.
    """

    @property
    def can_serialize(self) -> bool:
        """Whether the descriptor can go elsewhere: always, also after use. What is open stays here."""
        return True

    # -- put and get -------------------------------------------------------------------------------------------------

    async def put(self, item: T) -> None:
        """Put an item in, waiting while the queue is full.

        When it returns, the item has its place in the queue, and may still be on its way there. Nobody is told if it is
        dropped because the host closes the queue meanwhile; `aclose` tells if the host went away without it.

        Cancel safety: when cancelled, the item was not put, and whoever waits behind is not held up.

        Raises:
            CodecError: the item cannot be carried to where the queue lives.
            ConnectError: the host cannot be reached.
            ReceiverClosed: the host has closed the queue.
            BrokenChannel: the host is gone.
            ClosedChannel: this descriptor is closed.
        """
        sender = self._sender
        if sender is not None and sender.room:  # others came before in this turn of the loop: all is as it was
            sender.follow(item)
            return
        self._enter()
        sender = self._sender or await self._open_sender()
        if not sender.try_send(item):
            await sender.send(item)

    def put_nowait(self, item: T) -> None:
        """Put an item in if there is room now.

        Raises:
            WouldBlock: there is none, or the queue is not open yet.
            CodecError, ReceiverClosed, BrokenChannel, ClosedChannel: as in `put`.
        """
        self._enter()
        sender = self._sender or self._open_sender_at_once()
        if not sender.try_send(item):
            raise self._error(WouldBlock, "there is no room now")

    async def put_many(self, items: Iterable[T]) -> None:
        """Put items in, in this order, as `put` does each; over a wire, they are packed together, which is quicker.

        Cancel safety: when cancelled, some were put and the rest was not: a beginning of `items`.

        Raises:
            CodecError: an item cannot be carried; those before it were put, it and those behind it were not.
            ConnectError, ReceiverClosed, BrokenChannel, ClosedChannel: as in `put`; some were put.
        """
        some = items if isinstance(items, Sequence) else list(items)
        self._enter()
        sender = self._sender or await self._open_sender()
        place = 0
        while place < len(some):
            sent = sender.try_send_many(some[place : place + _MANY])
            if not sent:
                await sender.send(some[place])
                sent = 1
            place += sent
            await asyncio.sleep(0)  # a long list must not keep the loop for itself

    async def get(self) -> T:
        """Take the oldest item, waiting while there is none; first come, first served.

        Cancel safety: when cancelled, nothing was taken, and whoever waits behind is not held up. Away from the host,
        an item that was on its way stays here for the next one who gets, and goes to others when this is closed.

        Raises:
            ConnectError: the host cannot be reached.
            EndOfChannel: the host has closed the queue.
            BrokenChannel: the host is gone; or, at the host, a process that put. It is told once for each such process,
                behind all that came from it, and the queue goes on.
            ClosedChannel: this descriptor is closed.
        """
        getters = self._getters
        if getters is not None and getters.ready:  # as in `put`
            return getters.take()
        self._enter()
        getters = self._getters or await self._open_getters()
        try:
            try:
                return getters.get_nowait()
            except WouldBlock:
                return await getters.get(self)
        except ClosedChannel:
            raise self._ended() from None

    async def get_many(self, most: int) -> list[T]:
        """Take what is there, at least one item and at most `most`, waiting while there is none.

        Cancel safety: as `get`.

        Raises:
            ValueError: `most` is less than 1.
            ConnectError, EndOfChannel, BrokenChannel, ClosedChannel: as in `get`. What happened behind an item is told
                when that has been taken.
        """
        if most < 1:
            raise ValueError(f"at least one item is taken; most={most}")
        items = [await self.get()]
        getters = self._getters
        if getters is not None and most > 1:
            items += getters.get_rest(most - 1)
        return items

    def get_nowait(self) -> T:
        """Take the oldest item if there is one.

        Raises:
            WouldBlock: nothing is there now, or the queue is not open yet.
            EndOfChannel, BrokenChannel, ClosedChannel: as in `get`.
        """
        self._enter()
        getters = self._getters or self._open_getters_at_once()
        try:
            return getters.get_nowait()
        except ClosedChannel:
            raise self._ended() from None

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
        place = self._place
        if place.queue is not None:
            return place.queue.queued
        end = self._sender or (place.receiver if place.is_open else None)
        return 0 if end is None else end.statistics().used

    def empty(self) -> bool:
        """Whether nothing is in the queue, as `qsize` knows it."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether the queue holds as many items as it may, as `qsize` knows it."""
        return 0 < self.maxsize <= self.qsize()

    # -- names -------------------------------------------------------------------------------------------------------

    def clone(self, new_queue_id: str | None = None) -> Self:
        """See `SharedEnds.clone`; it does not own the queue."""
        if new_queue_id is not None:
            return type(self).from_metadata(new_queue_id, self._metadata_of_another())
        twin = type(self).from_dict(self.to_dict(), local=self._local)
        twin._known_place = self._place
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
        descriptor._local = local
        if not local:
            descriptor._known_place = Place()
        return descriptor

    def __str__(self) -> str:
        return f"Queue[{self.queue_type}]({self.queue_id})"

    def __repr__(self) -> str:
        state = "open" if self.is_initialized else "lazy"
        return f"{type(self).__name__}({self.queue_id!r}, maxsize={self.maxsize}, {state}, {self.address})"

    def _metadata_of_another(self) -> dict[str, Any]:
        """The metadata for a queue like this one but with another name; without what tells where this one lives."""
        return self.metadata


#: The name it had in the original SAGE.
BaseQueueDescriptor = QueueDescriptor
