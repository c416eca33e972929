"""Descriptors of queues that live at a host and are reached over links."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, cast

from sage.transports.channel import SendChannel
from sage.transports.codec import Codec
from sage.transports.errors import ReceiverClosed, ReceiverTaken
from sage.transports.memory import MemoryReceiver
from sage.transports.place import share_place
from sage.transports.queue import QueueDescriptor
from sage.transports.remote.hosted import HostedQueue, HostedSender
from sage.transports.remote.links import ConsumerLink, SenderLink
from sage.transports.remote.receiver import RemoteReceiver
from sage.transports.remote.sender import RemoteSender

__all__ = ["Connected", "Host", "HostReceiver", "HostedQueueDescriptor"]

T = TypeVar("T")


class Host(ABC):
    """What serves a hosted queue to other processes: it accepts connections and gives each a seat.

    Attributes:
        queue: the queue.
        metadata: what the descriptor has to tell so that others find the host, e.g. the port that was bound.
    """

    queue: HostedQueue
    metadata: Mapping[str, Any]

    @abstractmethod
    async def aclose(self) -> None:
        """Stop serving. What `SenderPeer.unwanted` and `ConsumerPeer.finished` told before still goes out.

        It returns when all senders know that nothing more is wanted. For one that does not listen (its process is held
        up, say), it does not wait longer than a moment.

        Cancel safety: when cancelled, everything is closed all the same.
        """


class Connected(NamedTuple):
    """A sender's connection, and what the host told when it was made."""

    link: SenderLink
    #: How many records the queue holds; `None` for no bound.
    capacity: int | None
    #: How many items the host had received under the sender's identity.
    received: int


class HostReceiver(MemoryReceiver[T]):
    """The receiving end at the host; closing it closes the queue to everybody."""

    __slots__ = ("_host",)

    def __init__(self, host: Host) -> None:
        super().__init__(host.queue)
        self._host = host

    def release(self, size: int) -> None:
        """See `ReceiveChannel.release`."""
        self._host.queue.release_taken(size)

    async def aclose(self) -> None:
        """See `ReceiveChannel.aclose`.

        Cancel safety: when cancelled, the end is closed all the same.
        """
        await super().aclose()
        await self._host.aclose()


class HostedQueueDescriptor(QueueDescriptor[T]):
    """What descriptors of hosted queues share.

    Within the process that hosts the queue, ends are opened directly, unless the descriptor was resolved with
    ``local=False``.

    Args:
        maxsize: how many records the queue holds; 0 for no bound. The host's number counts.
        queue_id: its name; by default one is made.
        allow_pickle: carry values that the codec does not know by pickle. It runs code from the other side: it is
            refused where peers are not authenticated.
    """

    def __init__(self, maxsize: int, queue_id: str | None, allow_pickle: bool) -> None:
        super().__init__(maxsize, queue_id)
        self.allow_pickle = allow_pickle

    @property
    def codec(self) -> Codec:
        """How items become bytes."""
        return Codec(pickle=self.allow_pickle)

    @property
    def _host_here(self) -> Host | None:
        """What serves the queue in this process, if it is hosted here; `address` and `metadata` may ask for it."""
        place = self._known_place
        return None if place is None else cast("Host | None", place.host)

    async def open_receiver(self) -> HostReceiver[T]:
        """See `ChannelDescriptor.open_receiver`.

        Cancel safety: when cancelled, nothing stays open.
        """
        self._enter_place()
        self._check_not_hosted()
        host = await self._serve()
        try:
            self._check_not_hosted()
        except ReceiverTaken:  # by another task, meanwhile
            await host.aclose()
            raise
        place = self._place
        place.host, place.queue = host, host.queue
        share_place(place, self.queue_type, self.queue_id, self._home)
        return HostReceiver(host)

    async def open_sender(self, *, sender_id: str | None = None) -> SendChannel[T]:
        """See `ChannelDescriptor.open_sender`.

        Args:
            sender_id: an identity that outlives the sender: `RemoteSender.received` tells how many items the host had
                received under it before. Two senders cannot have the same one at once: the later one puts the earlier
                out.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            ConnectError: the host cannot be reached, or refuses.
        """
        self._enter_place()
        host = self._host_here
        if host is not None:
            if host.queue.unwanted:
                raise self._error(ReceiverClosed, "its host has closed it")
            return HostedSender(host.queue)
        link, capacity, received = await self._connect_sender(sender_id)
        return RemoteSender(self.name, self.address, capacity, link, self.codec, received)

    async def open_consumer(self) -> RemoteReceiver[T]:
        """See `QueueDescriptor.open_consumer`.

        Cancel safety: when cancelled, nothing stays open.
        """
        self._enter_place()
        link, capacity = await self._connect_consumer()
        return RemoteReceiver(self.name, self.address, capacity, link)

    def _sender_at_once(self) -> SendChannel[T]:
        host = self._host_here
        return super()._sender_at_once() if host is None else HostedSender(host.queue)

    def _check_not_hosted(self) -> None:
        host = self._host_here
        if host is not None:
            problem = "was closed before" if host.queue.unwanted else "is open already"
            raise self._error(ReceiverTaken, f"its receiver {problem}; describe another channel")

    @abstractmethod
    async def _serve(self) -> Host:
        """Host the queue: make a `HostedQueue` and bind its address.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            UnreachableChannel: the address cannot be bound.
        """

    @abstractmethod
    async def _connect_sender(self, sender_id: str | None) -> Connected:
        """Connect to the host as a sender.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            ConnectError: it cannot be reached within the limits, or refuses.
        """

    @abstractmethod
    async def _connect_consumer(self) -> tuple[ConsumerLink, int | None]:
        """Connect to the host as a consumer; tell the queue's capacity as well.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            ConnectError: it cannot be reached within the limits, or refuses.
        """
