"""The contract of a channel: two ends and their statistics; `descriptor` names channels.

A channel is a bounded queue that lives in one place. Its capacity counts *records*, not items: an item (a batch, say)
is sent with the number of records in it. Flow control is by `Credit`; order is kept per sender.

::

    descriptor ── open_receiver() ──▶ ReceiveChannel    hosts the queue, one for each channel
        │                                  ▲
        └──────── open_sender() ────▶ SendChannel       as many as there are senders

How it ends, and how each side learns of it:

* every sender closes: the receiver gets what is queued, then `EndOfChannel`;
* the receiver closes: senders get `ReceiverClosed`, a normal end (the receiver has had enough);
* a peer dies: `BrokenChannel`, behind all that arrived from it. The receiver is told once of each sender that died and
  may go on with the others; to a sender it is the end;
* an end is used after its own holder closed it, or closed while it waits: `ClosedChannel`.

`tests/transports/contract.py` is the one suite that every implementation passes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence, Sized
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

__all__ = ["ChannelStatistics", "ReceiveChannel", "SendChannel", "Supply"]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)


class ChannelStatistics(NamedTuple):
    """How a channel stands. All counts are records."""

    #: sent into the channel since it was opened
    sent: int
    #: handed to the receiver since it was opened
    received: int
    #: places taken: queued, or handed over and not released yet
    used: int
    #: places there are; `None` for no bound
    capacity: int | None
    #: senders that wait for room
    waiting: int


class Supply(NamedTuple, Generic[T_co]):
    """How the items of a receiving end are taken when nothing but them has to be looked at."""

    #: Empty while there are none; the same object for good.
    items: Sized
    #: Takes the oldest, as `receive_nowait` does; there must be one.
    take: Callable[[], T_co]


class SendChannel(ABC, Generic[T_contra]):
    """The end that sends. Use it as an async context manager, or call `aclose` when there is nothing more to send.

    What one task sends arrives in that order. Tasks that share a sender have no order among them.
    """

    #: The channel's name, as errors tell it.
    name: str
    #: Where its queue lives, as errors tell it.
    address: str
    #: How many items, of one record each, may `follow` those that were sent. It is 0 again when the loop gets control.
    room: int = 0

    def follow(self, item: T_contra) -> None:
        """Send an item, of one record, for which there is `room`. Nothing is looked at that was when it was made.

        Raises:
            CodecError: the item cannot be carried.
        """
        raise NotImplementedError(f"{type(self).__name__} makes no room")

    @abstractmethod
    def try_send(self, item: T_contra, size: int = 1) -> bool:
        """Send `item`, which holds `size` records, if there is room now; tell whether it was sent.

        An item larger than the whole channel enters when the channel is empty. Size 0 is for marks that
        travel in order but hold no record: they always enter.

        Raises:
            ValueError: `size` is negative.
            ReceiverClosed: the receiver wants nothing more.
            ClosedChannel: this end is closed.
            BrokenChannel: the peer is gone.
        """

    def try_send_many(self, items: Sequence[T_contra]) -> int:
        """Send as many of `items`, each of them one record, as there is room for now; return how many that was.

        Raises:
            ReceiverClosed, ClosedChannel, BrokenChannel: as in `try_send`.
            CodecError: the item behind those that were sent cannot be carried. `items` may be sent one by one to learn
                which one that is.
        """
        sent = 0
        while sent < len(items) and self.try_send(items[sent]):
            sent += 1
        return sent

    @abstractmethod
    async def send(self, item: T_contra, size: int = 1) -> None:
        """Send `item`, waiting while there is no room; first come, first served.

        Cancel safety: when cancelled, the item was not sent, and who waits behind is not held up.

        Raises:
            ReceiverClosed, ClosedChannel, BrokenChannel: as in `try_send`, also while waiting.
        """

    @abstractmethod
    def on_unwanted(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, on this loop, once the receiver wants nothing more; at once if that is so already.

        A sender that waits for something to send learns of it this way. It replaces the previous callback; it must be
        quick and must not raise.
        """

    @abstractmethod
    def statistics(self) -> ChannelStatistics:
        """How the channel stands, as this end knows it."""

    @abstractmethod
    async def aclose(self) -> None:
        """End this sender: the receiver gets all that was sent, then the end. Closing twice is harmless.

        Cancel safety: when cancelled, the end is closed all the same, but its arrival was not waited for.
        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class ReceiveChannel(ABC, Generic[T_co]):
    """The end that receives, and hosts the queue.

    Who receives one by one uses `receive`. Who works on all that is there uses `drain`, keeps the places taken while it
    works (so that what it holds counts against the capacity) and gives them back with `release`.
    """

    #: The channel's name, as errors tell it.
    name: str
    #: Where its queue lives, as errors tell it.
    address: str
    #: `None` if its items are taken by the methods only.
    supply: Supply[T_co] | None = None

    @abstractmethod
    def drain(self) -> list[T_co]:
        """Take all items that are there, oldest first; an empty list when there are none now.

        Their places stay taken until `release`.

        Raises:
            EndOfChannel: all senders ended and everything was received.
            ClosedChannel: this end is closed.
            BrokenChannel: the peer is gone, and everything that arrived was received.
        """

    @abstractmethod
    def release(self, size: int) -> None:
        """Give back the places of `size` drained records: whoever waits to send may go on.

        Raises:
            ValueError: more places are given back than are taken.
        """

    @abstractmethod
    def receive_nowait(self) -> T_co:
        """Take the oldest item and release its places.

        Raises:
            WouldBlock: nothing is there now.
            EndOfChannel, ClosedChannel, BrokenChannel: as in `drain`.
        """

    def receive_some_nowait(self, most: int) -> list[T_co]:
        """Take up to `most` items that are there, oldest first, and release their places, all at once.

        It raises nothing and may give fewer than there are, or none: `receive_nowait` tells why.
        """
        return []

    @abstractmethod
    async def receive(self) -> T_co:
        """Take the oldest item and release its places, waiting while there is none. One task at a time may wait.

        Cancel safety: when cancelled, nothing was taken.

        Raises:
            EndOfChannel, ClosedChannel, BrokenChannel: as in `drain`, also while waiting.
            RuntimeError: another task waits already.
        """

    @abstractmethod
    def listen(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, on this loop, whenever `drain` may have something new to tell.

        That is: when the first item arrives in an empty queue, at the end, and when the peer is gone. Called at once
        when something is there already. It replaces the previous callback; it must be quick and must not raise.

        Raises:
            ClosedChannel: this end is closed.
        """

    @abstractmethod
    def statistics(self) -> ChannelStatistics:
        """How the channel stands."""

    @abstractmethod
    async def aclose(self) -> None:
        """Want nothing more: drop what is queued and tell the senders. Closing twice is harmless.

        A `receive` that waits is refused; who listens is not called any more.

        Cancel safety: when cancelled, the end is closed all the same.
        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
