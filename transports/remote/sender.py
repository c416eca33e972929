"""The sending end of a channel whose queue lives elsewhere.

Items are encoded when they are put, so what cannot be carried is refused there. They leave together when the loop gets
control, or when enough of them wait: nobody waits to fill a frame. While the host's credit lasts, nothing suspends.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn, TypeVar

from sage.transports.channel import ChannelStatistics, SendChannel
from sage.transports.codec import Codec, Encoded, FrameWriter
from sage.transports.errors import BrokenChannel, ChannelError, ClosedChannel, ReceiverClosed
from sage.transports.remote.links import SenderLink
from sage.transports.remote.purse import Purse

__all__ = ["RemoteSender"]

T = TypeVar("T")

# A frame leaves when it holds this many items or bytes, even while the loop is busy.
_FRAME_ITEMS = 256
_FRAME_BYTES = 1 << 18
# How many places a sender holds or asks for at most: many frames, so that they flow while grants are under way.
_WINDOW = 1 << 14


class RemoteSender(SendChannel[T]):
    """Sends over a link.

    Args:
        name: the channel's name.
        address: where its queue lives.
        capacity: how many records it holds, as far as is known; `None` for no bound.
        link: the connection, which the sender owns from now on.
        codec: how items become bytes.
        received: see the attribute.

    Attributes:
        received: how many items the host had received under this sender's identity when the connection was made:
            whoever starts again under the same identity goes on from there.
    """

    def __init__(
        self, name: str, address: str, capacity: int | None, link: SenderLink, codec: Codec, received: int = 0
    ) -> None:
        self.name = name
        self.address = address
        self.received = received
        self._capacity = capacity
        self._window = _WINDOW if capacity is None else min(_WINDOW, capacity)
        self._link = link
        self._writer = FrameWriter(codec)
        self._purse: Purse[asyncio.Future[None]] = Purse()
        self._loop = asyncio.get_running_loop()
        # Whether a flush is scheduled.
        self._flushing = False
        # What the host was asked for and has not answered: fewer places than that are of no use; 0 for nothing.
        self._asked = 0
        # The same, but not asked yet: requests leave behind the frame that made them necessary.
        self._to_ask = 0
        self._closed = False
        self._unwanted = False
        self._broken: ChannelError | None = None
        # Whether our holder knows of that.
        self._broken_told = False
        self._end: asyncio.Future[None] | None = None
        self._watcher: Callable[[], None] | None = None
        self._sent = 0
        # Records in the queue, as the host last told, and what was sent since.
        self._queued = 0
        link.start(self)

    def try_send(self, item: T, size: int = 1) -> bool:
        """See `SendChannel.try_send`. The item is encoded here: what cannot be carried raises `CodecError`."""
        if self._closed or self._unwanted or self._broken is not None:
            self._refuse()
        if size < 0:
            raise ValueError(f"an item holds 0 records or more; its size cannot be {size}")
        purse = self._purse
        if (size and self._link.congested) or not purse.try_take(size):
            if not purse.line:
                self._ask(size)
            return False
        try:
            encoded = self._writer.pack(item)
        except BaseException:
            self._wake(purse.grant(size))
            raise
        self._add(encoded, size)
        return True

    async def send(self, item: T, size: int = 1) -> None:
        """See `SendChannel.send`. The item is encoded here: what cannot be carried raises `CodecError`.

        Cancel safety: when cancelled, the item was not sent, and who waits behind is not held up.
        """
        if self.try_send(item, size):
            return
        encoded = self._writer.pack(item)
        purse = self._purse
        turn: asyncio.Future[None] = self._loop.create_future()
        purse.stand_in_line(turn, size)
        self._ask_for_line()
        try:
            await turn
            if self._closed or self._unwanted or self._broken is not None:
                self._refuse()
        except BaseException:
            # It may have been served before it was cancelled: then the places are given on.
            self._wake(purse.withdraw(turn) if turn in purse.line else purse.grant(size))
            raise
        self._add(encoded, size)

    def on_unwanted(self, callback: Callable[[], None]) -> None:
        """See `SendChannel.on_unwanted`."""
        self._watcher = callback
        if self._unwanted:
            callback()

    def statistics(self) -> ChannelStatistics:
        """See `SendChannel.statistics`. `used` is what the host last told, and what was sent since."""
        used = self._queued
        return ChannelStatistics(self._sent, max(0, self._sent - used), used, self._capacity, len(self._purse.line))

    async def aclose(self) -> None:
        """See `SendChannel.aclose`: it returns when the host has all that was sent.

        Cancel safety: when cancelled, the end is closed all the same, but the arrival was not waited for.

        Raises:
            BrokenChannel: the host went away before it had everything, and no `send` has told so before.
        """
        if self._closed:
            return
        self._closed = True
        self._wake_all()
        try:
            if not (self._unwanted or self._broken):
                self._end = self._loop.create_future()
                self._flush()
                self._link.end()
                await self._end
        finally:
            self._link.close()
        await self._link.closed()
        if self._broken is not None and not self._broken_told:
            self._broken_told = True
            raise self._broken

    # -- what the link tells (`SenderEvents`) ------------------------------------------------------------------------

    def granted(self, places: int, queued: int) -> None:
        """See `SenderEvents.granted`."""
        self._queued = queued + self._writer.records
        if places:
            self._asked = 0
            if self._link.congested:  # served when that is over
                self._purse.available += places
            else:
                self._wake(self._purse.grant(places))
            self._ask_for_line()

    def recalled(self) -> None:
        """See `SenderEvents.recalled`."""
        self._give_back()
        self._ask_for_line()

    def uncongested(self) -> None:
        """See `SenderEvents.uncongested`."""
        self._wake(self._purse.grant(0))
        self._ask_for_line()

    def unwanted(self) -> None:
        """See `SenderEvents.unwanted`."""
        if not self._unwanted:
            self._unwanted = True
            self._over()
            if self._watcher is not None:
                self._watcher()

    def ended(self) -> None:
        """See `SenderEvents.ended`."""
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def broken(self, error: ChannelError) -> None:
        """See `SenderEvents.broken`."""
        if self._broken is None:
            self._broken = error
            self._over()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _add(self, encoded: Encoded, size: int) -> None:
        """Put an encoded item into the frame that leaves next; its places are taken."""
        writer = self._writer
        writer.add(encoded, size)
        self._sent += size
        self._queued += size
        if writer.items >= _FRAME_ITEMS or writer.nbytes >= _FRAME_BYTES:
            self._flush()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_later)
        if not (self._asked or self._to_ask) and self._purse.available * 2 < self._window:
            # Ahead of need, and so not for less than is worth a message.
            self._ask(max(1, self._window // 4))

    def _ask(self, least: int) -> None:
        """Ask the host for places, behind what is being sent; it replaces what was asked before."""
        if least != (self._to_ask or self._asked):
            self._to_ask = least
            if not self._flushing:
                self._flushing = True
                self._loop.call_soon(self._flush_later)

    def _ask_for_line(self) -> None:
        """Ask for what the first in line needs.

        What is left over is given back first: two senders that each held a part of what they need would wait for each
        other forever.
        """
        missing = self._purse.missing
        if missing > self._purse.available:
            self._give_back()
            self._ask(missing)

    def _give_back(self) -> None:
        places = self._purse.empty()
        if places and self._broken is None:
            self._link.give_back(places)

    def _flush_later(self) -> None:
        self._flushing = False
        self._flush()

    def _flush(self) -> None:
        if self._broken is not None or self._unwanted:
            return
        if self._writer.items:
            self._link.send(self._writer.take())
        if self._to_ask:
            self._asked, self._to_ask = self._to_ask, 0
            wanted = max(self._window - self._purse.available, self._asked)
            self._link.want(wanted, self._asked)

    def _over(self) -> None:
        """Nothing more can be sent: refuse whoever waits, and do not wait for the end's arrival."""
        self._wake_all()
        self.ended()

    def _wake(self, served: list["asyncio.Future[None]"]) -> None:
        for turn in served:
            if not turn.done():  # one that was cancelled gives its places back when its task runs
                turn.set_result(None)

    def _wake_all(self) -> None:
        self._wake(list(self._purse.line))

    def _refuse(self) -> NoReturn:
        if self._closed:
            raise ClosedChannel("this sender is closed; open another one", channel=self.name, address=self.address)
        if self._broken is not None:
            self._broken_told = True
            raise self._broken
        if self._unwanted:
            raise ReceiverClosed("the receiver wants nothing more", channel=self.name, address=self.address)
        raise BrokenChannel("nothing more can be sent", channel=self.name, address=self.address)
