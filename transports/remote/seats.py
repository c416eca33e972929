"""Who sits at a hosted queue: remote senders, who are lent places, and remote consumers, who are given items."""

from collections import deque
from typing import TYPE_CHECKING, Any

from sage.transports.codec import Items
from sage.transports.errors import CodecError, TransportError
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
        self._lender = queue.lender
        # What it would take; what it needed of that when it asked last.
        self._wanted = 0
        self._least = 0
        self._request: _Request | None = None
        # Granted, and not told yet.
        self._news = 0
        queue.open_sender()
        queue.watchers[self] = peer.unwanted
        if queue.unwanted:
            peer.unwanted()

    def wants(self, places: int, least: int) -> None:
        """The sender asks for `places`; with fewer than `least` it cannot go on. It replaces an earlier request.

        Raises:
            ProtocolError: the numbers cannot be.
        """
        if not 0 <= least <= places or not places:
            raise ProtocolError(f"asks for {places} places and at least {least}")
        queue = self._queue
        if self.gone or queue.unwanted:
            return
        if least < self._least:  # a grant under way may be more than it needs now, and then it keeps the rest
            self.recalled = False
        self._wanted, self._least = places, least
        request = self._request
        if request is None or request.places != least:  # otherwise it keeps its place in line
            self._withdraw()
            if not queue.credit.try_acquire(least):
                self._request = _Request(self, least)
                queue.credit.stand_in_line(self._request, least)
            elif least:
                self._lend(least)
        self._lender.hopes(self, True)
        self._lender.settle_soon(self)
        if queue.credit.waiting:
            self._lender.recall_soon()

    def gave_back(self, places: int) -> None:
        """The sender does not need places that it was lent.

        Raises:
            ProtocolError: they were not lent.
        """
        if self.gone:
            return
        if not 0 < places <= self.lent:
            raise ProtocolError(f"gives back {places} places of {self.lent}")
        self._wanted = 0
        self._lender.hopes(self, False)
        self._settle_up(places)
        self._queue.release(places)

    def arrived(self, items: Items) -> None:
        """Items came.

        Raises:
            ProtocolError: they hold more records than were granted, or the seat is given up.
        """
        if self.gone:
            raise ProtocolError("sends, but has ended or was put out")
        values, sizes = items
        records = len(values) if sizes is None else sum(sizes)
        if records > self.lent:
            raise ProtocolError(f"sends {records} records with room for {self.lent}")
        self._settle_up(records)
        self.received += len(values)
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
        assert request is self._request, "a request that was withdrawn is not granted"
        self._request = None
        self._lend(request.places)
        self._lender.settle_soon(self)

    def settle(self) -> None:
        """Add a fair share of what is free to what was granted, and tell the sender."""
        share = self._spare()
        if self._news:
            if share:
                self.recalled = False  # it sees by the number that nobody waits
            elif self._queue.credit.waiting:
                self._lender.recall_soon()
            places, self._news = self._news, 0
            self.peer.grant(places, self._queue.queued)

    def recall(self) -> None:
        """Ask back what it does not need, if it may have any."""
        if self.lent and not self.recalled:
            self.recalled = True
            self.peer.recall()

    def leave(self) -> None:
        """Give up the seat and all that was lent to it."""
        self.gone = True
        self._withdraw()
        self._queue.remove_sender(self)
        lent = self.lent
        self._settle_up(lent)
        self._queue.release(lent)

    def _settle_up(self, places: int) -> None:
        self.lent -= places
        self._lender.lent -= places

    def _lend(self, places: int) -> None:
        self.lent += places
        self._lender.lent += places
        self._wanted = max(0, self._wanted - places)
        self._news += places

    def _spare(self) -> int:
        """Lend what others can spare, if it goes along with what was granted or is worth a message; tell how much."""
        queue, lender = self._queue, self._lender
        share = 0 if queue.unwanted else min(self._wanted, lender.share)
        if share < (1 if self._news else max(1, min(self._wanted, lender.portion))):
            return 0
        if not queue.credit.try_acquire(share):
            return 0
        self._lend(share)
        if not self._wanted:
            lender.hopes(self, False)
        return share

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
        self._finished = False
        # Delivered and not acknowledged, oldest first.
        self.pending: deque[tuple[Any, int]] = deque()

    def wants(self, records: int) -> None:
        """It is ready for `records` more.

        Raises:
            ProtocolError: the number cannot be.
        """
        if records < 1:
            raise ProtocolError(f"wants {records} records")
        if self.gone:
            return
        self.demand += records
        self._queue.serve_soon()

    def acknowledged(self, items: int) -> None:
        """The oldest `items` that it was given are taken.

        Raises:
            ProtocolError: it was not given as many.
        """
        if self.gone:
            return
        if not 0 < items <= len(self.pending):
            raise ProtocolError(f"acknowledges {items} items of {len(self.pending)}")
        self._queue.taken(sum([self.pending.popleft()[1] for _ in range(items)]))

    def give(self, items: list[tuple[Any, int]], records: int) -> None:
        """Deliver items; they stay in the queue until they are acknowledged.

        Raises:
            CodecError: one of them cannot be carried; none was delivered.
        """
        self.pending += items
        self.demand = max(0, self.demand - records)
        try:
            self.peer.deliver(items, self._queue.queued)
        except CodecError:
            for _ in items:
                self.pending.pop()
            self.demand += records
            raise

    def finish(self) -> None:
        """Nothing more will come."""
        if not self._finished:
            self._finished = True
            self.peer.finished()

    def left(self) -> None:
        """It wants nothing more, or went away: what it did not acknowledge goes back, to the front."""
        if not self.gone:
            self.gone = True
            self._queue.remove_consumer(self)

    #: The same for one that went away: nothing is lost, so nobody needs to be told.
    lost = left
