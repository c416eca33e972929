"""A queue at its host: the local ends, and the remote senders and consumers that share its bound.

It is the memory queue of this process, with seats (see `seats`) for those who sit elsewhere. Senders there are lent
places (see `lending`); consumers there are given items, which stay in the queue until they are acknowledged.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from sage.transports.channel import ChannelStatistics
from sage.transports.codec import Items
from sage.transports.errors import BrokenChannel, CodecError
from sage.transports.memory import MemorySender
from sage.transports.memory_queue import MemoryQueue
from sage.transports.remote.lending import Lender
from sage.transports.remote.links import ConsumerPeer, SenderPeer
from sage.transports.remote.seats import ConsumerSeat, SenderSeat

__all__ = ["HostedQueue", "HostedSender"]

T = TypeVar("T")

_logger = logging.getLogger("sage.transports")


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

    Attributes:
        lender: what it lends to remote senders.
        losses: how many marks of lost senders are in the queue.
    """

    # What stands in the queue where a sender's items stop because it went away.
    _mark: type = _Lost

    def __init__(self, name: str, address: str, capacity: int | None) -> None:
        self._consumers: list[ConsumerSeat] = []
        self._announce_here: Callable[[], None] = lambda: None
        super().__init__(name, address, capacity)
        self.lender: Lender[SenderSeat] = Lender(self.credit)
        # Items received under each identity, also of senders that have gone.
        self._received_from: dict[str, int] = {}
        self._serving = False
        # What was last told to hold up the consumers.
        self._stuck: Any = None
        self.losses = 0

    # -- seats -------------------------------------------------------------------------------------------------------

    def seat_sender(self, peer: SenderPeer, sender_id: str | None = None) -> SenderSeat:
        """Give a remote sender a seat. One that comes again under its identity takes the place of its former self."""
        former = [seat for seat in self.lender.borrowers if sender_id is not None and seat.sender_id == sender_id]
        for seat in former:
            seat.leave()
        received = 0 if sender_id is None else self._received_from.get(sender_id, 0)
        seat = SenderSeat(self, peer, sender_id, received)
        self.lender.borrowers.append(seat)
        for old in former:  # only now: otherwise the channel could end in between
            self.close_sender(old)
            old.peer.put_out(f"{peer.describe()} sends under its identity {sender_id!r} now")
        return seat

    def seat_consumer(self, peer: ConsumerPeer) -> ConsumerSeat:
        """Give a remote consumer a seat."""
        seat = ConsumerSeat(self, peer)
        self._consumers.append(seat)
        if self.unwanted:
            seat.finish()
        self.serve_soon()
        return seat

    def remove_sender(self, seat: SenderSeat) -> None:
        """The seat is given up; what was received under its identity is remembered."""
        self.lender.forget(seat)
        if seat.sender_id is not None:
            self._received_from[seat.sender_id] = seat.received

    def remove_consumer(self, seat: ConsumerSeat) -> None:
        """The seat is given up: what it did not acknowledge is the next to be given out."""
        self._consumers.remove(seat)
        pending = list(seat.pending)
        seat.pending.clear()
        if self.unwanted:
            self.release(sum(size for _, size in pending))
        else:
            self.items.put_back(pending)
            if self.items.values or self.ended:
                self.announce()

    # -- credit ------------------------------------------------------------------------------------------------------

    def release(self, size: int) -> None:
        """See `MemoryQueue.release`; what is left is spared for remote senders."""
        granted = self.credit.release(size)
        if granted:
            self.grant(granted)
        self.lender.spare_soon(size)

    def release_taken(self, size: int) -> None:
        """Give back places of what the receiver here was handed.

        Raises:
            ValueError: more places are given back than are taken.
        """
        taken = self.credit.used - self.lender.lent
        if size > taken:
            raise ValueError(f"{size} places are given back, but {taken} are taken: release each record once")
        self.release(size)

    # -- items -------------------------------------------------------------------------------------------------------

    def extend(self, items: Items, records: int) -> None:
        """Queue items whose places are taken already; they hold so many records."""
        if self.unwanted:
            self.release(records)
            return
        was_empty = not self.items.values
        self.items.extend(*items)
        self.sent += records
        if was_empty and items.values:
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
        if self._at_loss:
            self.losses -= 1
            mark, _ = self.items.take_one()
            self._announce_rest()
            raise mark.error

    @property
    def _at_loss(self) -> bool:
        """Whether the oldest thing in the queue is the mark of a lost sender."""
        values = self.items.values
        return self.losses > 0 and len(values) > 0 and isinstance(values[0], _Lost)

    def taken(self, records: int) -> None:
        """A consumer has acknowledged records: they leave the queue."""
        self._received += records
        self.release(records)
        if self.ended:
            self.announce()

    @property
    def ended(self) -> bool:
        """See `MemoryQueue.ended`; what a consumer has not acknowledged may come back."""
        return super().ended and not any(seat.pending for seat in self._consumers)

    def statistics(self) -> ChannelStatistics:
        """See `MemoryQueue.statistics`; places lent to senders are not taken yet."""
        return super().statistics()._replace(used=self.credit.used - self.lender.lent)

    def take_all(self) -> list[Any]:
        """See `MemoryQueue.take_all`; up to the mark of a lost sender, which is raised when it is the oldest."""
        if not self.losses:
            return super().take_all()
        self.take_loss()
        taken: list[Any] = []
        while self.items.values and not self._at_loss:
            item, size = self.items.take_one()
            self._received += size
            taken.append(item)
        self._announce_rest()
        return taken

    def take_one(self) -> Any:
        """See `MemoryQueue.take_one`; the mark of a lost sender is raised."""
        if self.losses:
            self.take_loss()
        items = self.items
        item = items.values.popleft()
        size = 1 if items.sizes is None else items.sizes.popleft()
        self._received += size
        credit = self.credit
        if credit.line:
            self.release(size)
        else:  # what that does while nobody waits, for this is said for every record
            credit.used -= size
            if not self.lender.freed and self.lender.hoping:
                self.lender.spare_soon(size)
        return item

    def take_some(self, most: int) -> list[Any]:
        """See `MemoryQueue.take_some`; nothing while the mark of a lost sender is to be told."""
        return [] if self.losses else super().take_some(most)

    # -- consumers ---------------------------------------------------------------------------------------------------

    @property
    def announce(self) -> Callable[[], None]:
        """Called when something new can be told: consumers come first, if there are any."""
        return self.serve_soon if self._consumers else self._announce_here

    @announce.setter
    def announce(self, announce: Callable[[], None]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._announce_here = announce

    def serve_soon(self) -> None:
        """Give consumers what there is, once the loop gets control."""
        if not self._serving and self._consumers:
            self._serving = True
            self.loop.call_soon(self._serve)

    def close_receiver(self) -> None:
        """See `MemoryQueue.close_receiver`: consumers get nothing more either."""
        super().close_receiver()
        self.losses = 0
        for seat in self._consumers:
            seat.finish()

    def _announce_rest(self) -> None:
        """Whoever takes all expects to be called for what is left behind the mark of a lost sender."""
        if self.items:
            self.loop.call_soon(self._announce_again)

    def _announce_again(self) -> None:
        if self.items:
            self.announce()

    def _serve(self) -> None:
        """Give each consumer that is ready an equal part, in turns; what is left is for the receiver here."""
        self._serving = False
        while self.items and (ready := [seat for seat in self._consumers if seat.demand]):
            part = max(1, len(self.items) // len(ready))
            if not all(self._give_some(seat, part) for seat in ready):
                break
        if self.items:
            self._announce_here()
        elif self.ended:
            for seat in self._consumers:
                seat.finish()
            self._announce_here()

    def _give_some(self, seat: ConsumerSeat, most: int) -> bool:
        """Give a consumer up to `most` items; tell whether the oldest one left can be given to anybody."""
        if seat.gone:  # while others were served
            return True
        given, records = self._next(seat, most)
        if given:
            self._consumers.remove(seat)  # the others come first the next time
            self._consumers.append(seat)
            try:
                seat.give(given, records)
            except CodecError as error:
                self.items.put_back(given)
                if len(given) > 1:
                    return self._give_some(seat, 1)
                self._tell_stuck(given[0][0], error)
                return False
        return True

    def _tell_stuck(self, oldest: Any, error: CodecError) -> None:
        """An item that was put here, where nothing is encoded, waits for a reader here: nobody else can take it."""
        if self._stuck is not oldest:
            self._stuck = oldest
            _logger.error(
                "queue %r (%s): the oldest item can be taken by its host only, and holds up those behind it: %s",
                self.name,
                self.address,
                error,
            )

    def _next(self, seat: ConsumerSeat, most: int) -> tuple[list[tuple[Any, int]], int]:
        """Up to `most` items with no more records than a consumer demands, but for the last; and their records."""
        given: list[tuple[Any, int]] = []
        records, demand = 0, seat.demand
        while self.items and len(given) < most and records < demand:
            item, size = self.items.take_one()
            if isinstance(item, self._mark) and self._told_to_host(item, seat):
                continue
            given.append((item, size))
            records += size
        return given, records

    def _told_to_host(self, mark: Any, seat: ConsumerSeat) -> bool:
        """A consumer is about to be given the mark of a lost sender: that is the host's to know, and others go on."""
        self.losses -= 1
        _logger.warning("%s", mark.error)
        return True


class HostedSender(MemorySender[T]):
    """The host's own sender."""

    __slots__ = ()

    _queue: HostedQueue

    def try_send(self, item: T, size: int = 1) -> bool:
        """See `SendChannel.try_send`."""
        if super().try_send(item, size):
            return True
        self._queue.lender.recall_soon(refused=True)
        return False
