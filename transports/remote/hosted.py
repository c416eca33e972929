"""A queue at its host: the local ends, and the remote senders and consumers that share its bound.

It is the memory queue of this process, with seats (see `seats`) for those who sit elsewhere. Places are lent to remote
senders ahead of what they send. They count as taken, and are asked back when somebody waits for them::

    capacity = queued + handed over and not released + lent + free
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from sage.transports.errors import BrokenChannel, CodecError
from sage.transports.memory import MemorySender
from sage.transports.memory_queue import MemoryQueue
from sage.transports.remote.links import ConsumerPeer, SenderPeer
from sage.transports.remote.seats import ConsumerSeat, SenderSeat

__all__ = ["HostedQueue", "HostedSender"]

T = TypeVar("T")

_logger = logging.getLogger("sage.transports")
# What a share is cut from when the queue has no bound.
_PLENTY = 1 << 14


class _Lost:
    """Stands in the queue where a sender's items stop because it went away."""

    def __init__(self, error: BrokenChannel) -> None:
        self.error = error


class HostedQueue(MemoryQueue[Any]):
    """The queue of one channel, at its host.

    Args:
        name: the channel's name.
        address: where it lives, for errors.
        capacity: how many records it holds; `None` for no bound.
    """

    def __init__(self, name: str, address: str, capacity: int | None) -> None:
        self._consumers: list[ConsumerSeat] = []
        self._announce_here: Callable[[], None] = lambda: None
        super().__init__(name, address, capacity)
        self._senders: list[SenderSeat] = []
        # Items received under each identity, also of senders that have gone.
        self._received_from: dict[str, int] = {}
        self._to_settle: list[SenderSeat] = []
        self._serving = False
        self._recalling = False
        #: How many marks of lost senders are in the queue.
        self.losses = 0

    # -- seats -------------------------------------------------------------------------------------------------------

    def seat_sender(self, peer: SenderPeer, sender_id: str | None = None) -> SenderSeat:
        """Give a remote sender a seat. One that comes again under its identity takes the place of its former self."""
        if sender_id is not None:
            for seat in [seat for seat in self._senders if seat.sender_id == sender_id]:
                seat.leave()
                self.close_sender(seat)
        received = 0 if sender_id is None else self._received_from.get(sender_id, 0)
        seat = SenderSeat(self, peer, sender_id, received)
        self._senders.append(seat)
        return seat

    def seat_consumer(self, peer: ConsumerPeer) -> ConsumerSeat:
        """Give a remote consumer a seat."""
        seat = ConsumerSeat(self, peer)
        self._consumers.append(seat)
        self.serve_soon()
        return seat

    def remove_sender(self, seat: SenderSeat) -> None:
        """The seat is given up; what was received under its identity is remembered."""
        self._senders.remove(seat)
        if seat.sender_id is not None:
            self._received_from[seat.sender_id] = seat.received

    def remove_consumer(self, seat: ConsumerSeat) -> None:
        """The seat is given up: what it did not acknowledge is the next to be given out."""
        self._consumers.remove(seat)
        was_empty = not self.items
        self.items.extendleft(reversed(seat.pending))
        if seat.pending and was_empty:
            self.announce()
        self.serve_soon()

    # -- credit ------------------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Records in the queue, those included that a consumer has not acknowledged."""
        return self.sent - self._received

    @property
    def share(self) -> int:
        """How many of the free places one sender may be lent now: nothing while somebody waits for places."""
        credit = self.credit
        if credit.waiting:
            return 0
        free = _PLENTY if credit.capacity is None else credit.capacity - credit.used
        return -(-free // max(1, len(self._senders)))

    def settle_soon(self, seat: SenderSeat) -> None:
        """Tell the sender what it was granted, once the loop gets control: all that is freed until then goes along."""
        if not self._to_settle:
            self.loop.call_soon(self._settle)
        if seat not in self._to_settle:
            self._to_settle.append(seat)

    def recall_soon(self) -> None:
        """Somebody waits for places: ask back what senders do not need."""
        if not self._recalling and self._senders:
            self._recalling = True
            self.loop.call_soon(self._recall)

    # -- items -------------------------------------------------------------------------------------------------------

    def extend(self, items: list[tuple[Any, int]], records: int) -> None:
        """Queue items whose places are taken already."""
        if self.unwanted:
            self.release(records)
            return
        was_empty = not self.items
        self.items += items
        self.sent += records
        if was_empty:
            self.announce()

    def lose(self, seat: SenderSeat, reason: str) -> None:
        """A sender went away: the receiver is to learn of it behind all that arrived."""
        peer = seat.peer.describe()
        error = BrokenChannel(f"{peer} went away: {reason}", channel=self.name, address=self.address, peer=peer)
        if not self.unwanted:
            self.losses += 1
            self.append(_Lost(error), 0)
        self.close_sender(seat)

    def take_loss(self) -> None:
        """Raise what happened if the oldest thing in the queue is the mark of a lost sender."""
        if self.losses and self.items and isinstance(self.items[0][0], _Lost):
            self.losses -= 1
            raise self.items.popleft()[0].error

    def taken(self, records: int) -> None:
        """A consumer has acknowledged records: they leave the queue."""
        self._received += records
        self.release(records)
        if not self.open_senders:
            self.serve_soon()

    def take_all(self) -> list[Any]:
        """See `MemoryQueue.take_all`; up to the mark of a lost sender, which is raised when it is the oldest."""
        if not self.losses:
            return super().take_all()
        self.take_loss()
        taken: list[Any] = []
        while self.items and not isinstance(self.items[0][0], _Lost):
            item, size = self.items.popleft()
            self._received += size
            taken.append(item)
        return taken

    def take_one(self) -> Any:
        """See `MemoryQueue.take_one`; the mark of a lost sender is raised."""
        self.take_loss()
        return super().take_one()

    # -- consumers ---------------------------------------------------------------------------------------------------

    @property
    def announce(self) -> Callable[[], None]:  # type: ignore[override]
        """Called when something new can be told: consumers come first, if there are any."""
        return self._announce_to_consumers if self._consumers else self._announce_here

    @announce.setter
    def announce(self, announce: Callable[[], None]) -> None:
        self._announce_here = announce

    def serve_soon(self) -> None:
        """Give consumers what there is, once the loop gets control."""
        if not self._serving and self._consumers:
            self._serving = True
            self.loop.call_soon(self._serve)

    def close_receiver(self) -> None:
        """See `MemoryQueue.close_receiver`: consumers get nothing more either."""
        super().close_receiver()
        for seat in self._consumers:
            seat.peer.finished()

    def _announce_to_consumers(self) -> None:
        self.serve_soon()

    def _settle(self) -> None:
        seats, self._to_settle = self._to_settle, []
        for seat in seats:
            seat.settle()

    def _recall(self) -> None:
        self._recalling = False
        if self.credit.waiting:
            for seat in self._senders:
                if seat.lent and not seat.recalled:
                    seat.recalled = True
                    seat.peer.recall()

    def _serve(self) -> None:
        """Give each consumer that is ready an equal part; what is left is for the receiver here."""
        self._serving = False
        while self.items and (ready := [seat for seat in self._consumers if seat.demand]):
            part = max(1, len(self.items) // len(ready))
            for seat in ready:
                self._give(seat, part)
        if self.items:
            self._announce_here()
        elif self.open_senders == 0 and not any(seat.pending for seat in self._consumers):
            for seat in self._consumers:
                seat.peer.finished()

    def _give(self, seat: ConsumerSeat, most: int) -> None:
        given: list[tuple[Any, int]] = []
        records = 0
        while self.items and len(given) < most and records < seat.demand:
            item, size = self.items.popleft()
            if isinstance(item, _Lost):
                self.losses -= 1
                _logger.warning("%s", item.error)
                continue
            given.append((item, size))
            records += size
        if not given:
            return
        try:
            seat.give(given, records)
        except CodecError as error:
            # Put at the host, where nothing needs encoding. It stays for a reader here: nobody else can take it.
            self.items.extendleft(reversed(given))
            seat.demand = 0
            _logger.error("queue %r (%s): %s cannot be given an item: %s", self.name, self.address, seat.peer, error)


class HostedSender(MemorySender[T]):
    """The host's own sender."""

    __slots__ = ()

    _queue: HostedQueue

    def try_send(self, item: T, size: int = 1) -> bool:
        """See `SendChannel.try_send`."""
        if super().try_send(item, size):
            return True
        self._queue.recall_soon()
        return False
