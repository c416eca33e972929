"""What the descriptors of one queue share in a process: the hosted queue, or the connection to it."""

import asyncio
import os
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from sage.transports.channel import ReceiveChannel, SendChannel
from sage.transports.getters import Getters
from sage.transports.memory_queue import MemoryQueue

__all__ = ["Place", "PlaceTaken", "place_of", "share_place"]

T = TypeVar("T")

# By kind, name, and where the queue lives as far as is known: names are unique at one host only.
_Key = tuple[str, str, str]
_places: "WeakValueDictionary[_Key, Place[Any]]" = WeakValueDictionary()
# What a forked child has from its parent. It is neither used nor freed there: freeing could close what the parent uses.
_inherited: "list[Place[Any]]" = []


class PlaceTaken(Exception):
    """The ends of a queue live in another event loop, which still goes on."""


class Place(Generic[T]):
    """One queue, as one process knows it; lives as long as a descriptor of the queue does.

    Attributes:
        receiver: the receiving end, once it is open: the host's, or one that takes from a host elsewhere.
        queue: the queue itself, if it is hosted in this process.
        host: what serves it to other processes, if anything does.
        takers: how many descriptors take from a host elsewhere by the receiver.
        opening: held by whoever opens an end, so that two tasks do not open it twice.
        closed: its host here has closed it, for good.
    """

    def __init__(self) -> None:
        self.receiver: ReceiveChannel[T] | None = None
        self.queue: MemoryQueue[Any] | None = None
        self.host: Any = None
        self.takers = 0
        self.opening = asyncio.Lock()
        self.closed = False
        self._getters: Getters[T] | None = None
        # The host's own sender: a queue, other than a channel, does not end when those who put are gone.
        self._keeper: SendChannel[T] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()

    def enter(self) -> int:
        """Live in the running loop, if there is no other.

        What lived in a loop that has ended is forgotten. Returns how many records were lost by that.

        Raises:
            PlaceTaken: the ends live in another loop.
        """
        loop, former = asyncio.get_running_loop(), self._loop
        if former is loop:
            return 0
        if former is not None and not former.is_closed():
            raise PlaceTaken
        lost = 0 if self.queue is None else self.queue.queued
        self.forget()
        self.opening = asyncio.Lock()
        self._loop = loop
        return lost

    @property
    def getters(self) -> Getters[T]:
        """Who waits for items; the receiver must be open."""
        assert self.receiver is not None, "items are taken from a receiver that is open"
        if self._getters is None:
            self._getters = Getters(self.receiver)
        return self._getters

    def keep(self, receiver: ReceiveChannel[T], keeper: SendChannel[T] | None) -> None:
        """Keep the receiving end and, at the host, the sender that keeps the queue from ending."""
        self.receiver = receiver
        self._keeper = keeper

    @property
    def hosts(self) -> bool:
        """Whether the queue's receiving end was opened here as its host."""
        return self._keeper is not None

    @property
    def is_open(self) -> bool:
        """Whether the receiving end is open here."""
        return self.receiver is not None and not self.closed

    @property
    def inherited(self) -> bool:
        """Whether this is the parent's, seen from a process that was forked."""
        return self._process != os.getpid()

    def forget(self) -> None:
        """Start anew, as if nothing had been opened."""
        self.receiver = self.queue = self.host = self._getters = self._keeper = None
        self.takers = 0

    async def aclose(self) -> None:
        """Close the queue that is hosted here; whoever waits is refused. Closing twice is harmless.

        Cancel safety: when cancelled, it is closed all the same.
        """
        self.closed = True
        try:
            await self._close(self.receiver, self._getters)
        finally:
            if self._keeper is not None:
                await self._keeper.aclose()

    async def part(self) -> None:
        """A descriptor takes no more from a host elsewhere; the last one closes the connection.

        Cancel safety: when cancelled, it is closed all the same.
        """
        self.takers -= 1
        if not self.takers:
            receiver, getters = self.receiver, self._getters
            self.receiver = self._getters = None  # whoever comes while this one leaves opens another
            await self._close(receiver, getters)

    async def _close(self, receiver: ReceiveChannel[T] | None, getters: Getters[T] | None) -> None:
        if receiver is not None:
            try:
                await receiver.aclose()
            finally:
                if getters is not None:
                    getters.wake_all()


def place_of(queue_type: str, queue_id: str, where: str) -> Place[Any]:
    """The place of this queue in this process. A name is free again when its queue has been closed."""
    place = _places.get((queue_type, queue_id, where))
    if place is None or place.closed or (place.queue is not None and place.queue.unwanted):
        place = _places[queue_type, queue_id, where] = Place()
    return place


def share_place(place: Place[Any], queue_type: str, queue_id: str, where: str) -> None:
    """Have the place found also by descriptors that know where the queue lives now."""
    _places[queue_type, queue_id, where] = place


def _leave_to_parent() -> None:
    _inherited.extend(_places.values())
    _places.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
