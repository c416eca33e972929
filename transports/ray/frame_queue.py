"""The queue inside the actor: credit and seats as at any host, but its items are packed frames."""

from typing import TYPE_CHECKING

from sage.transports.ray.parcels import Loss, Parcel, Parcels
from sage.transports.ray.standing import Standing
from sage.transports.remote import ConsumerPeer, ConsumerSeat, HostedQueue, ProtocolError, SenderSeat

if TYPE_CHECKING:
    from collections import deque

__all__ = ["FrameQueue", "FrameSeat", "Taker"]


class Taker(ConsumerPeer):
    """An end that takes, as the queue reaches it."""

    def recall(self) -> None:
        """Ask for the frames that it has not opened."""

    def warn(self, message: str) -> None:
        """Have it logged where the end is."""


class FrameSeat(ConsumerSeat):
    """One end that takes frames.

    Attributes:
        hosts: it is the receiving end of the channel. The queue ends with it, so nothing is kept for its death.
        taken: records that it has acknowledged.
    """

    peer: Taker
    pending: "deque[tuple[Parcel | Loss, int]]"

    def __init__(self, queue: "FrameQueue", peer: Taker, hosts: bool) -> None:
        super().__init__(queue, peer)
        self.hosts = hosts
        self.taken = 0
        # How many frames it was ever given; they are numbered from 0.
        self._given = 0
        self._recalled = False

    def give(self, items: Parcels, records: int) -> None:
        """See `ConsumerSeat.give`."""
        super().give(items, records)
        self._given += len(items)

    def took(self, items: int, records: int) -> None:
        """Its oldest `items` are taken, and `records` of its places are free.

        The two go together, but the receiving end may free a part of the places of an item.

        Raises:
            ProtocolError: they were not delivered.
        """
        self._recalled = False
        left, freed = items, records
        while left > 0:
            if not self.pending:
                raise ProtocolError(f"acknowledges {items} items, {left} more than it was given")
            parcel, size = self.pending[0]
            if parcel.items > left:
                self.pending[0] = parcel.without(left), size - freed
                break
            self.pending.popleft()
            left -= parcel.items
            freed -= size
        self.taken += records
        self._queue.taken(records)
        if self.demand and not self.pending:  # it has nothing more, and others may have
            self._queue.serve_soon()

    def put_back(self, first: int, end: int) -> None:
        """It does not need the frames from number `first` until before `end`, nor any that it asked for.

        Raises:
            ProtocolError: it does not have them.
        """
        start = self._given - len(self.pending)
        if not start <= first <= end <= self._given:
            raise ProtocolError(f"puts back frames {first} to {end} and has {start} to {self._given}")
        self._recalled = False
        self.demand = 0
        frames = list(self.pending)
        self.pending.clear()
        self.pending += frames[: first - start] + frames[end - start :]
        # Later ones keep their numbers, and what is behind the gap was given after the recall: see `recall`.
        self._given -= end - first
        assert isinstance(self._queue, FrameQueue)
        self._queue.put_first(frames[first - start : end - start])

    def recall(self) -> None:
        """Others have nothing: ask for what it does not need, once."""
        if self.pending and not self._recalled:
            self._recalled = True
            self.peer.recall()


class FrameQueue(HostedQueue):
    """A hosted queue of packed frames. All its ends are elsewhere."""

    _consumers: list[FrameSeat]  # type: ignore[assignment]
    _mark = Loss

    def __init__(self, name: str, address: str, capacity: int | None) -> None:
        super().__init__(name, address, capacity)
        self._stamp = 0

    def seat_taker(self, peer: Taker, hosts: bool) -> FrameSeat:
        """Give an end that takes a seat."""
        seat = FrameSeat(self, peer, hosts)
        self._consumers.append(seat)
        return seat

    def lose(self, seat: SenderSeat, reason: str) -> None:
        """See `HostedQueue.lose`."""
        if not self.unwanted:
            peer = seat.peer.describe()
            self.append(Loss(f"{peer} went away: {reason}", peer), 0)
        self.close_sender(seat)

    @property
    def ended(self) -> bool:
        """See `HostedQueue.ended`; what the receiving end holds does not come back."""
        return not (self.items or self.open_senders != 0) and not any(
            seat.pending for seat in self._consumers if not seat.hosts
        )

    def put_first(self, frames: Parcels) -> None:
        """Frames come back: they are the next to be given out."""
        self.items.put_back(frames)
        self.serve_soon()

    def standing(self, seat: FrameSeat | SenderSeat) -> Standing:
        """How the queue stands, for the end that has this seat."""
        self._stamp += 1
        taken = seat.taken if isinstance(seat, FrameSeat) else 0
        sent, received, used, _, waiting = self.statistics()
        return Standing(self._stamp, sent, received - taken, self.queued, used, waiting)

    def _serve(self) -> None:
        """Give each end that is ready an equal part. What is not needed where it is goes to where it is asked for."""
        super()._serve()
        if not self.items and any(seat.demand and not seat.pending for seat in self._consumers):
            for seat in self._consumers:
                seat.recall()

    def _told_to_host(self, mark: Loss, seat: ConsumerSeat) -> bool:
        """See `HostedQueue._told_to_host`; the host is an end as well, and takes the mark if it is the one who gets."""
        assert isinstance(seat, FrameSeat)
        if seat.hosts:
            return False
        for other in self._consumers:
            if other.hosts:
                other.peer.warn(mark.message)
        return True
