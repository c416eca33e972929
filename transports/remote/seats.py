"""Who sits at a hosted queue: remote senders, who are lent places, and remote consumers, who are given items."""

from collections import deque
from typing import TYPE_CHECKING, Any

from sage.transports.errors import TransportError
from sage.transports.memory_queue import Waiter
from sage.transports.remote.links import ConsumerPeer, SenderPeer

if TYPE_CHECKING:
    from sage.transports.remote.hosted import HostedQueue

__all__ = ["ConsumerSeat", "ProtocolError", "SenderSeat"]


class ProtocolError(TransportError):
    """A peer said what the protocol does not allow at this point. It is put out; nobody else notices."""


class _Request(Waiter):
    """A remote sender's place in the line for credit."""

    __slots__ = ("places",)

    def __init__(self, seat: "SenderSeat", places: int) -> None:
        self.sender = seat
        self.granted = False
        self.places = places

    def wake(self) -> None:
        """The places are granted, or the queue is closing: then the seat is told otherwise."""
        if self.granted:
            seat = self.sender
            assert isinstance(seat, SenderSeat)
            seat.served(self)


class SenderSeat:
    """One remote sender at a hosted queue.

    Args:
        queue: the queue.
        peer: how to reach the sender.
        sender_id: its identity, if it gave one: what was received under it is remembered.
        received: how many items were received under that identity before.

    Attributes:
        lent: places granted to it that it has neither used nor given back.
    """

    def __init__(self, queue: "HostedQueue", peer: SenderPeer, sender_id: str | None, received: int) -> None:
        self.peer = peer
        self.sender_id = sender_id
        self.received = received
        self.lent = 0
        self.recalled = False
        self.gone = False
        self._queue = queue
        self._wanted = 0
        self._request: _Request | None = None
        # Granted, and not told yet.
        self._news = 0
        queue.open_sender()
        queue.watchers[self] = peer.unwanted
        if queue.unwanted:
            peer.unwanted()

    def wants(self, places: int, least: int) -> None:
        """The sender asks for `places`; fewer than `least` are of no use. It replaces an earlier request.

        Raises:
            ProtocolError: the numbers cannot be.
        """
        if not 0 < least <= places:
            raise ProtocolError(f"asks for {places} places and at least {least}")
        if self.gone or self._queue.unwanted:
            return
        self.recalled = False
        self._withdraw()
        self._wanted = places
        if self._queue.credit.try_acquire(least):
            self._lend(least)
        else:
            self._request = _Request(self, least)
            self._queue.credit.stand_in_line(self._request, least)
            self._queue.recall_soon()

    def gave_back(self, places: int) -> None:
        """The sender does not need places that it was lent.

        Raises:
            ProtocolError: they were not lent.
        """
        if not 0 < places <= self.lent:
            raise ProtocolError(f"gives back {places} places of {self.lent}")
        self.recalled = False
        self.lent -= places
        self._queue.release(places)

    def arrived(self, items: list[tuple[Any, int]]) -> None:
        """Items came, each with its size.

        Raises:
            ProtocolError: they hold more records than were granted.
        """
        records = sum([size for _, size in items])
        if records > self.lent:
            raise ProtocolError(f"sends {records} records with room for {self.lent}")
        self.lent -= records
        self.received += len(items)
        self._queue.extend(items, records)

    def ended(self) -> None:
        """The sender has ended; everything it sent has arrived."""
        if not self.gone:
            self.leave()
            self._queue.close_sender(self)

    def lost(self, reason: str) -> None:
        """The sender went away without an end; the receiver is told, behind all that arrived from it."""
        if not self.gone:
            self.leave()
            self._queue.lose(self, reason)

    def served(self, request: _Request) -> None:
        """The request that stood in line is granted."""
        if request is self._request:
            self._request = None
            self._lend(request.places)
        else:  # withdrawn meanwhile
            self._queue.release(request.places)

    def settle(self) -> None:
        """Add a fair share of what is free to what was granted, and tell the sender."""
        if self.gone:
            return
        share = min(self._wanted, self._queue.share)
        if share > 0 and self._queue.credit.try_acquire(share):
            self.lent += share
            self._wanted -= share
            self._news += share
        if self._news:
            places, self._news = self._news, 0
            self.peer.grant(places, self._queue.queued)

    def leave(self) -> None:
        """Give up the seat and all that was lent to it."""
        self.gone = True
        self._withdraw()
        self._queue.remove_sender(self)
        lent, self.lent = self.lent, 0
        if lent:
            self._queue.release(lent)

    def _lend(self, places: int) -> None:
        self.lent += places
        self._wanted = max(0, self._wanted - places)
        self._news += places
        self._queue.settle_soon(self)

    def _withdraw(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            self._queue.grant(self._queue.credit.withdraw(request))


class ConsumerSeat:
    """One remote consumer at a hosted queue.

    Args:
        queue: the queue.
        peer: how to reach the consumer.

    Attributes:
        demand: how many records it is ready for.
    """

    def __init__(self, queue: "HostedQueue", peer: ConsumerPeer) -> None:
        self.peer = peer
        self.demand = 0
        self.gone = False
        self._queue = queue
        # Delivered and not acknowledged, oldest first.
        self.pending: deque[tuple[Any, int]] = deque()

    def wants(self, records: int) -> None:
        """It is ready for `records` more.

        Raises:
            ProtocolError: the number cannot be.
        """
        if records < 1:
            raise ProtocolError(f"wants {records} records")
        self.demand += records
        self._queue.serve_soon()

    def acknowledged(self, records: int) -> None:
        """The oldest `records` that it was given are taken.

        Raises:
            ProtocolError: they were not delivered, or end within an item.
        """
        left = records
        while left > 0 and self.pending:
            left -= self.pending.popleft()[1]
        if records < 1 or left:
            raise ProtocolError(f"acknowledges {records} records that it was not given")
        while self.pending and not self.pending[0][1]:  # marks hold no record: they go with what is before them
            self.pending.popleft()
        self._queue.taken(records)

    def give(self, items: list[tuple[Any, int]], records: int) -> None:
        """Deliver items; they stay in the queue until they are acknowledged."""
        self.peer.deliver(items, self._queue.queued)
        self.demand = max(0, self.demand - records)
        self.pending.extend(items)

    def left(self) -> None:
        """It wants nothing more, or went away: what it did not acknowledge goes back, to the front."""
        if not self.gone:
            self.gone = True
            self._queue.remove_consumer(self)

    #: The same for one that went away: nothing is lost, so nobody needs to be told.
    lost = left
