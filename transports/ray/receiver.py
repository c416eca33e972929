"""The ends that take from a queue in an actor: the receiving end, which hosts the queue, and consumers beside it.

Frames are asked for ahead, as many as are taken in a short while, and stay in the queue and in its bound until their
items are taken here. If this process dies first, or does not need them, they go to another end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sage.transports.channel import ChannelStatistics, ReceiveChannel
from sage.transports.codec import Codec
from sage.transports.errors import ChannelError, ClosedChannel, CodecError, EndOfChannel, WouldBlock
from sage.transports.ray.arrivals import Arrivals
from sage.transports.ray.caller import Message
from sage.transports.ray.ledger import Ledger
from sage.transports.ray.line import Line
from sage.transports.ray.parcels import Parcels
from sage.transports.ray.standing import Standing

__all__ = ["RayReceiver"]

T = TypeVar("T")

_logger = logging.getLogger("sage.transports")
# As many records are asked for as are taken in this time, at least 1 and at most so many. So a worker that takes a
# second for each keeps none from the others, and a quick reader is not held up by a round trip for each.
_AHEAD_SECONDS = 0.02
_MOST = 1 << 14
# How many the receiving end has ahead at least while nobody else takes.
_EAGER = 64


class RayReceiver(ReceiveChannel[T]):
    """Takes over a line.

    Args:
        name: the channel's name.
        address: where its queue lives.
        capacity: how many records it holds; `None` for no bound.
        line: the line to the actor, which the receiver owns from now on.
        codec: how items are read.
        close_queue: ends the queue and its actor. Given to the receiving end; a consumer leaves the queue as it is.
    """

    def __init__(
        self,
        name: str,
        address: str,
        capacity: int | None,
        line: Line,
        codec: Codec,
        close_queue: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.address = address
        self._capacity = capacity
        self._line = line
        self._close_queue = close_queue
        self._loop = asyncio.get_running_loop()
        self._ledger = Ledger(whole=close_queue is None)
        self._arrivals = Arrivals(codec, self._ledger, name, address)
        self._received = 0
        # Records that were asked for and have not come; how many to have ahead; when they were asked for, and when
        # some came last.
        self._coming = 0
        self._ahead = 1
        self._asked_at = self._came_at = self._loop.time()
        # Somebody found nothing since records came last.
        self._hungry = False
        # Somebody takes all there is, and holds it: only the bound of the queue limits how much.
        self._draining = False
        # The receiving end has something here before it is asked for, until others need that more.
        self._eager = close_queue is not None
        self._telling = False
        self._standing = Standing()
        self._listener: Callable[[], None] | None = None
        self._receiving: asyncio.Future[None] | None = None
        self._finished = False
        self._broken: ChannelError | None = None
        self._closed = False
        line.start(self)
        self._tell_soon()

    def drain(self) -> list[T]:
        """See `ReceiveChannel.drain`."""
        if not self._arrivals:
            self._check_more()
        self._draining = True
        self._tell_soon()
        before = self._arrivals.records
        try:
            items = self._arrivals.take_all()
        except CodecError:
            self._dropped(before)
            raise
        self._received += before - self._arrivals.records
        return items

    def release(self, size: int) -> None:
        """See `ReceiveChannel.release`."""
        self._ledger.release(size)
        self._line.board.under_way -= size
        self._tell_soon()

    def receive_nowait(self) -> T:
        """See `ReceiveChannel.receive_nowait`."""
        if not self._arrivals:
            self._check_more()
            self._ask_soon()
            raise WouldBlock("nothing is there now", channel=self.name, address=self.address)
        return self._take()

    async def receive(self) -> T:
        """See `ReceiveChannel.receive`.

        Cancel safety: when cancelled, nothing was taken.
        """
        while not self._arrivals:
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
        self._check_open()
        self._listener = callback
        if self._arrivals or self._finished or self._broken is not None:
            callback()
        else:
            self._ask_soon()

    def statistics(self) -> ChannelStatistics:
        """See `ReceiveChannel.statistics`; as the actor last told, but for what was received here."""
        standing = self._standing
        received = self._received + standing.elsewhere
        return ChannelStatistics(
            max(standing.sent, received), received, standing.used, self._capacity, standing.waiting
        )

    async def aclose(self) -> None:
        """Take nothing more. The receiving end closes the queue; a consumer gives back what it has not taken.

        Cancel safety: when cancelled, the end is closed all the same; a consumer's last acknowledgement may be lost
        then, so that another gets an item again.
        """
        if self._closed:
            return
        self._closed = True
        self._listener = None
        self._arrivals.clear()
        self._announce()
        self._tell()
        if self._close_queue is not None:
            await self._close_queue()
        self._line.close()
        await self._line.closed()

    # -- what the line tells (`LineEvents`) --------------------------------------------------------------------------

    def heard(self, event: Message) -> None:
        """See `LineEvents.heard`."""
        name, *arguments = event
        if name == "delivered":
            self._delivered(*arguments)
        elif name == "recalled":
            # Whoever waits here is woken first, and takes what it came for.
            self._loop.call_soon(self._loop.call_soon, self._put_back)
        elif name == "finished":
            self._finished = True
            self._announce()
        elif name == "warned":
            _logger.warning("channel %r (%s): %s", self.name, self.address, *arguments)

    def stands(self, standing: Standing) -> None:
        """See `LineEvents.stands`."""
        self._standing = standing

    def uncongested(self) -> None:
        """See `LineEvents.uncongested`: what this end says is short."""

    def broken(self, error: ChannelError) -> None:
        """See `LineEvents.broken`."""
        self._broken = error
        self._announce()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _delivered(self, frames: Parcels) -> None:
        if self._closed:  # they go back when this end has left
            return
        was_empty = not self._arrivals
        before = self._arrivals.records
        self._arrivals.add(frames)
        self._coming = max(0, self._coming - (self._arrivals.records - before))
        self._came_at = self._loop.time()
        self._tell_soon()
        if was_empty:
            self._announce()

    def _take(self) -> T:
        self._tell_soon()
        taken: T
        before = self._arrivals.records
        try:
            taken, size = self._arrivals.take_one()
        except CodecError:
            self._dropped(before)
            raise
        self._ledger.pass_on(size)
        self._line.board.under_way -= size
        self._received += size
        return taken

    def _dropped(self, before: int) -> None:
        """What could not be read is out of the queue."""
        records = before - self._arrivals.records
        self._received += records
        self._line.board.under_way -= records

    def _ask_soon(self) -> None:
        self._hungry = True
        self._eager = self._close_queue is not None
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
        """Acknowledge what was taken, and ask for more while somebody takes."""
        items, places = self._ledger.told()
        if items or places:
            board = self._line.board

            def confirmed() -> None:
                board.under_way += places

            self._line.post("took", items, places, then=confirmed)
        if not (self._finished or self._closed):
            self._ask()

    def _ask(self) -> None:
        now = self._loop.time()
        quick = now - self._came_at < _AHEAD_SECONDS
        hungry, self._hungry = self._hungry, False
        if hungry and quick:
            self._ahead = min(2 * self._ahead, _MOST)
        elif now - max(self._asked_at, self._came_at) > _AHEAD_SECONDS:  # the way there and back is not its doing
            self._ahead = max(1, self._ahead // 2)
        ahead = _MOST if self._draining else max(self._ahead, _EAGER) if self._eager else self._ahead
        have = self._arrivals.records + self._coming
        in_time = self._draining or self._eager or (quick and ahead > 1)
        if (in_time and 2 * have < ahead) or (hungry and not have):
            self._line.post("want", ahead - have)
            self._coming += ahead - have
            self._asked_at = now

    def _put_back(self) -> None:
        """Others have nothing: give back the frames that nobody has begun to take."""
        self._eager = False
        count = self._arrivals.put_back()
        if count and not self._closed:
            first = self._arrivals.received
            self._coming = 0
            self._line.post("put_back", first, first + count)

    def _check_more(self) -> None:
        """Nothing is here: raise if nothing more will come."""
        self._check_open()
        if self._broken is not None:
            raise self._broken
        if self._finished:
            raise EndOfChannel("its queue gives nothing more", channel=self.name, address=self.address)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedChannel("this receiver is closed", channel=self.name, address=self.address)

    def _announce(self) -> None:
        if self._receiving is not None and not self._receiving.done():
            self._receiving.set_result(None)
        if self._listener is not None:
            self._listener()
