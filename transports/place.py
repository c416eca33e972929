"""What the descriptors of one queue share in a process: the hosted queue, or the connection to it."""

import asyncio
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from sage.transports.channel import ReceiveChannel, SendChannel
from sage.transports.descriptor import ChannelDescriptor
from sage.transports.errors import UnreachableChannel
from sage.transports.getters import Getters
from sage.transports.memory_queue import MemoryQueue

__all__ = ["Place", "place_of"]

T = TypeVar("T")

_places: "WeakValueDictionary[tuple[str, str], Place[Any]]" = WeakValueDictionary()


class Place(Generic[T]):
    """One queue, as one process knows it; lives as long as a descriptor of the queue does.

    Attributes:
        receiver: the receiving end, once it is open: the host's, or one that takes from a host elsewhere.
        queue: the queue itself, if it is hosted in this process.
        host: what serves it to other processes, if anything does.
        opening: held by whoever opens an end, so that two tasks do not open it twice.
    """

    def __init__(self) -> None:
        self.receiver: ReceiveChannel[T] | None = None
        self.queue: MemoryQueue[Any] | None = None
        self.host: Any = None
        self.opening = asyncio.Lock()
        self._getters: Getters[T] | None = None
        # The host's own sender: a queue, other than a channel, does not end when those who put are gone.
        self._keeper: SendChannel[T] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self, descriptor: ChannelDescriptor[T]) -> None:
        """Check that the running loop is the one in which the ends live; ends of a loop that is closed are forgotten.

        Raises:
            UnreachableChannel: the ends live in another loop.
        """
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None:
            if not self._loop.is_closed():
                raise UnreachableChannel(
                    "its ends are open in another event loop; close them there, or describe a queue that crosses",
                    channel=descriptor.name,
                    address=descriptor.address,
                )
            self.forget()
            self.opening = asyncio.Lock()
        self._loop = loop

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

    def forget(self) -> None:
        """Start anew, as if nothing had been opened."""
        self.receiver = self.queue = self.host = self._getters = self._keeper = self._loop = None

    async def aclose(self) -> None:
        """Close the ends that are kept here; whoever waits is refused.

        Cancel safety: when cancelled, they are closed all the same.
        """
        if self.receiver is not None:
            try:
                await self.receiver.aclose()
            finally:
                if self._getters is not None:
                    self._getters.wake_all()
                if self._keeper is not None:
                    await self._keeper.aclose()


def place_of(queue_type: str, queue_id: str) -> Place[Any]:
    """The place of the queue with this name in this process. A name is free again when its queue has been closed."""
    place = _places.get((queue_type, queue_id))
    if place is None or (place.queue is not None and place.queue.unwanted):
        place = _places[queue_type, queue_id] = Place()
    return place
