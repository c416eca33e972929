"""An end that takes from a queue whose host is elsewhere.

The host delivers as many records as this end is ready for and shares what it has among all who take. What was delivered
counts as inside the queue until it is released here; if this process dies first, the host gives it to another.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, TypeVar

from sage.transports.backlog import Backlog
from sage.transports.channel import ChannelStatistics, ReceiveChannel, Supply
from sage.transports.codec import Items
from sage.transports.errors import ChannelError, ClosedChannel, EndOfChannel, WouldBlock
from sage.transports.remote.links import ConsumerLink

__all__ = ["RemoteReceiver"]

T = TypeVar("T")

# How many records are asked for at once: as many as are taken in this time, within these bounds. So a worker that takes
# a second for each keeps none from the others, and a quick reader is not held up by a round trip for each.
_AHEAD_SECONDS = 0.01
_MOST = 1024


class RemoteReceiver(ReceiveChannel[T]):
    """Takes over a link.

    Args:
        name: the channel's name.
        address: where its queue lives.
        capacity: how many records it holds, as far as is known; `None` for no bound.
        link: the connection, which the receiver owns from now on.
    """

    def __init__(self, name: str, address: str, capacity: int | None, link: ConsumerLink) -> None:
        self.name = name
        self.address = address
        self._capacity = capacity
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._items: Backlog[Any] = Backlog()
        self.supply = Supply(self._items.values, self._take)
        # Records delivered and not yet taken.
        self._buffered = 0
        # The sizes of the items that were taken and not yet released, oldest first; how many records that is, without
        # those of the first item that were released already.
        self._held: deque[int] = deque()
        self._held_records = 0
        self._of_first = 0
        # Items released and not yet acknowledged; acknowledgements of one turn of the loop leave together.
        self._released = 0
        # Asked for and not yet delivered; how many were asked for last, and when they came.
        self._wanted = 0
        self._portion = 1
        self._came = 0.0
        # Somebody found nothing here since records were last asked for.
        self._hungry = False
        self._telling = False
        self._received = 0
        self._queued = 0
        self._listener: Callable[[], None] | None = None
        self._receiving: asyncio.Future[None] | None = None
        self._finished = False
        self._broken: ChannelError | None = None
        self._closed = False
        self._leaving: asyncio.Future[None] | None = None
        link.start(self)

    def drain(self) -> list[T]:
        """See `ReceiveChannel.drain`."""
        if not self._items.values:
            self._check_more()
            self._ask_soon()
            return []
        items, sizes = self._items.take_all()
        records, self._buffered = self._buffered, 0
        self._hold(repeat(1, records) if sizes is None else sizes, records)
        self._ask_soon()
        return items

    def release(self, size: int) -> None:
        """See `ReceiveChannel.release`."""
        if not 0 <= size <= self._held_records:
            raise ValueError(
                f"{size} places are given back, but {self._held_records} are taken: release each record once"
            )
        self._held_records -= size
        self._of_first += size
        self._forget_released()

    def receive_nowait(self) -> T:
        """See `ReceiveChannel.receive_nowait`."""
        if not self._items.values:
            self._check_more()
            self._ask_soon()
            raise WouldBlock("nothing is there now", channel=self.name, address=self.address)
        return self._take()

    async def receive(self) -> T:
        """See `ReceiveChannel.receive`.

        Cancel safety: when cancelled, nothing was taken.
        """
        while not self._items.values:
            self._check_more()
            if self._receiving is not None:
                raise RuntimeError(
                    f"channel {self.name!r} ({self.address}): two tasks receive at once; give each its own end"
                )
            self._receiving = self._loop.create_future()
            self._ask_soon()
            try:
                await self._receiving
            finally:
                self._receiving = None
        return self._take()

    def listen(self, callback: Callable[[], None]) -> None:
        """See `ReceiveChannel.listen`."""
        if self._closed:
            self._check_more()
        self._listener = callback
        self._ask_soon()
        if self._items.values or self._over:
            callback()

    def statistics(self) -> ChannelStatistics:
        """See `ReceiveChannel.statistics`. `used` is what the host last told, and what was delivered here."""
        used = self._queued + self._buffered + self._held_records
        return ChannelStatistics(self._received + self._buffered, self._received, used, self._capacity, 0)

    async def aclose(self) -> None:
        """Take nothing more: what was delivered and not released goes back to the host. The queue itself goes on.

        Cancel safety: when cancelled, the end is closed all the same; then the host may give an item that was taken
        last to another, too.
        """
        if self._closed:
            return
        self._closed = True
        self._items.clear()
        self._listener = None
        self._announce()
        try:
            if not self._over:
                self._leaving = self._loop.create_future()
                self._tell()
                self._link.leave()
                await self._leaving
        finally:
            self._link.close()
        await self._link.closed()

    # -- what the link tells (`ConsumerEvents`) ----------------------------------------------------------------------

    def delivered(self, items: Items) -> None:
        """See `ConsumerEvents.delivered`."""
        if self._closed:  # they go back with the leave, which is under way
            return
        values, sizes = items
        records = len(values) if sizes is None else sum(sizes)
        self._wanted = max(0, self._wanted - records)
        self._came = self._loop.time()
        self._buffered += records
        was_empty = not self._items.values
        self._items.extend(values, sizes)
        if was_empty:
            self._announce()

    def told(self, queued: int) -> None:
        """See `ConsumerEvents.told`."""
        self._queued = queued

    def finished(self) -> None:
        """See `ConsumerEvents.finished`."""
        if not self._over:
            self._finished = True
            self._announce()
            self.left()

    def left(self) -> None:
        """See `ConsumerEvents.left`."""
        if self._leaving is not None and not self._leaving.done():
            self._leaving.set_result(None)

    def broken(self, error: ChannelError) -> None:
        """See `ConsumerEvents.broken`."""
        if not self._over:
            self._broken = error
            self._announce()
            self.left()

    # -- inside ------------------------------------------------------------------------------------------------------

    @property
    def _over(self) -> bool:
        """Whether nothing more will come."""
        return self._finished or self._broken is not None

    def _take(self) -> T:
        item, size = self._items.take_one()
        self._buffered -= size
        if self._held:
            self._hold([size], size)
            self.release(size)
        else:
            self._received += size
            self._released += 1
            self._tell_soon()
        taken: T = item
        return taken

    def _hold(self, sizes: Iterable[int], records: int) -> None:
        """Items are taken; their places are not given back yet."""
        self._received += records
        self._held += sizes
        self._held_records += records
        self._forget_released()

    def _forget_released(self) -> None:
        """What was released counts for the oldest items, as it does at the host."""
        held = self._held
        while held and held[0] <= self._of_first:
            self._of_first -= held.popleft()
            self._released += 1
        if self._released:
            self._tell_soon()

    def _ask_soon(self) -> None:
        self._hungry = True
        self._tell_soon()

    def _tell_soon(self) -> None:
        if not self._telling:
            self._telling = True
            self._loop.call_soon(self._tell_later)

    def _tell_later(self) -> None:
        self._telling = False
        if not self._closed:
            self._tell()

    def _tell(self) -> None:
        """Acknowledge what was released, and ask for more while somebody takes."""
        if self._over:
            return
        if self._released:
            self._link.acknowledge(self._released)
            self._released = 0
        if self._hungry and not (self._wanted or self._buffered or self._closed):
            self._hungry = False
            quick = self._loop.time() - self._came < _AHEAD_SECONDS
            self._portion = min(2 * self._portion, _MOST) if quick else max(1, self._portion // 2)
            self._wanted = self._portion
            self._link.want(self._portion)

    def _check_more(self) -> None:
        """Nothing is here: raise if nothing more will come."""
        if self._closed:
            raise ClosedChannel("this receiver is closed", channel=self.name, address=self.address)
        if self._broken is not None:
            raise self._broken.with_traceback(None)  # it may be raised many times, and would keep every caller's frame
        if self._finished:
            raise EndOfChannel("its host gives nothing more", channel=self.name, address=self.address)

    def _announce(self) -> None:
        if self._receiving is not None and not self._receiving.done():
            self._receiving.set_result(None)
        if self._listener is not None:
            self._listener()
