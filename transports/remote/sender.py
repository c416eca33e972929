"""The sending end of a channel whose queue lives elsewhere.

Items are encoded when they are put, so what cannot be carried is refused there. They leave together when the loop gets
control, or when enough of them wait: nobody waits to fill a frame. While the host's credit lasts, nothing suspends:
`purse` tells what places there are, `want` when to ask for more.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn, TypeVar

from sage.transports.channel import ChannelStatistics, SendChannel
from sage.transports.codec import Codec, FrameWriter
from sage.transports.errors import ChannelError, ClosedChannel, CodecError, ReceiverClosed
from sage.transports.remote.links import SenderLink
from sage.transports.remote.purse import Purse
from sage.transports.remote.want import Want
from sage.transports.turns import look_again_in_children

__all__ = ["RemoteSender"]

T = TypeVar("T")

# A frame leaves when it holds this many items, or `SenderLink.frame_bytes`, even while the loop is busy.
_FRAME_ITEMS = 256


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
        self._link = link
        self._frame_bytes = link.frame_bytes
        self._writer = FrameWriter(codec)
        self._purse: Purse[asyncio.Future[None]] = Purse(capacity)
        self._want = Want(capacity)
        self._loop = asyncio.get_running_loop()
        # Whether a flush is scheduled.
        self._flushing = False
        # Whether nothing more can be sent, for one of the reasons that follow.
        self._over = False
        self._closed = False
        self._unwanted = False
        self._broken: ChannelError | None = None
        # Whether our holder knows of that.
        self._broken_told = False
        self._end: asyncio.Future[None] | None = None
        self._watcher: Callable[[], None] | None = None
        # How many bytes an item may have that `follow` sends: as many as there is `room` for fit into the frame.
        self._light = 0
        # Records that have left; records in the queue, as the host last told, and what has left since.
        self._sent = 0
        self._queued = 0
        look_again_in_children(self)
        link.start(self)

    def follow(self, item: T) -> None:
        """See `SendChannel.follow`. The item is encoded here: what cannot be carried raises `CodecError`."""
        self.room -= 1  # first: whoever sends from a hook of the codec needs a place, too
        try:
            nbytes = self._writer.put(item)
        except BaseException:
            self._take_over(1)
            raise
        if not self.room or nbytes > self._light:
            self._added(0)

    def try_send(self, item: T, size: int = 1) -> bool:
        """See `SendChannel.try_send`. The item is encoded here: what cannot be carried raises `CodecError`."""
        if self.room and size == 1:
            self.follow(item)
            return True
        if self._over:
            self._refuse()
        self.look_again()
        if size > 0:
            purse = self._purse
            if self._link.congested:
                return False
            if not purse.try_take(size):
                if not purse.waiting:
                    self._ask(1)  # a single place, for nobody waits: one who never comes back must not hold up others
                return False
        elif size < 0:
            raise ValueError(f"an item holds 0 records or more; its size cannot be {size}")
        try:
            self._writer.put(item, size)
        except BaseException:
            self._take_over(size)
            raise
        self._added(size)
        return True

    def try_send_many(self, items: Sequence[T]) -> int:
        """See `SendChannel.try_send_many`. They are packed together."""
        if self._over:
            self._refuse()
        self.look_again()
        purse = self._purse
        sent = 0
        while sent < len(items) and not self._link.congested:
            some = items[sent : sent + min(_FRAME_ITEMS - self._writer.items, purse.available)]
            if not (some and purse.try_take(len(some))):
                break
            try:
                self._writer.pack_many(some)
            except BaseException as error:
                self._take_over(len(some))
                if not isinstance(error, CodecError):
                    raise
                break  # one by one, it will be seen which one cannot be carried
            self._added(len(some))
            sent += len(some)
        return sent or int(bool(items) and self.try_send(items[0]))

    async def send(self, item: T, size: int = 1) -> None:
        """See `SendChannel.send`. The item is encoded here: what cannot be carried raises `CodecError`.

        Cancel safety: when cancelled, the item was not sent, and who waits behind is not held up.
        """
        if self.try_send(item, size):
            return
        encoded = self._writer.pack(item)
        turn: asyncio.Future[None] = self._loop.create_future()
        self._purse.stand_in_line(turn, size)
        self._look_after_line()
        try:
            await turn
            if self._over:
                self._refuse()
        except BaseException:
            # It may have been served before it was cancelled: then the places are there for others.
            self._take_over(0 if self._purse.leave(turn) else size)
            raise
        self._writer.add(encoded, size)
        self._added(size)

    def on_unwanted(self, callback: Callable[[], None]) -> None:
        """See `SendChannel.on_unwanted`."""
        self._watcher = callback
        if self._unwanted:
            callback()

    def statistics(self) -> ChannelStatistics:
        """See `SendChannel.statistics`. `used` is what the host last told, and what was sent since."""
        waiting_to_leave = self._writer.records
        sent, used = self._sent + waiting_to_leave, self._queued + waiting_to_leave
        return ChannelStatistics(sent, max(0, sent - used), used, self._capacity, self._purse.waiting)

    async def aclose(self) -> None:
        """See `SendChannel.aclose`: it returns when the host has all that was sent.

        Cancel safety: when cancelled, the connection is given up, and with it what had not arrived yet.

        Raises:
            BrokenChannel: the host went away before it had everything, and no `send` has told so before.
        """
        if self._closed:
            return
        going_on = not self._over
        self.look_again()
        self._closed = self._over = True
        self._wake(self._purse.line)
        try:
            if going_on:
                self._end = self._loop.create_future()
                self._flush()
                self._link.end()
                await self._end
        finally:
            self._link.close()
        await self._link.closed()
        if self._broken is not None and self.statistics().sent and not self._broken_told:
            self._refuse_broken(self._broken)

    # -- what the link tells (`SenderEvents`) ------------------------------------------------------------------------

    def granted(self, places: int, queued: int) -> None:
        """See `SenderEvents.granted`."""
        self._queued = queued
        if places:
            needed = self._want.answered(places)
            self._take_over(places)
            if needed and not self._over:
                self._ask(0)

    def recalled(self) -> None:
        """See `SenderEvents.recalled`."""
        self._want.recall()
        self.look_again()
        if not self._over:
            self._give_back(self._purse.empty())
            self._look_after_line()

    def uncongested(self) -> None:
        """See `SenderEvents.uncongested`."""
        self._take_over(0)

    def unwanted(self) -> None:
        """See `SenderEvents.unwanted`."""
        if not self._unwanted:
            self._unwanted = True
            self._stop()
            if self._watcher is not None:
                self._watcher()

    def ended(self) -> None:
        """See `SenderEvents.ended`."""
        if self._end is not None and not self._end.done():
            self._end.set_result(None)

    def broken(self, error: ChannelError) -> None:
        """See `SenderEvents.broken`."""
        ended = self._end is not None and self._end.done()
        if not (ended or self._unwanted or self._broken is not None):
            self._broken = error
            self._stop()

    # -- places ------------------------------------------------------------------------------------------------------

    def _take_over(self, places: int) -> None:
        """Places were granted, or are not needed by whom they were for: serve who waits."""
        if self._over:  # they go back with the connection
            return
        self.look_again()
        purse = self._purse
        purse.add(places)
        if not self._link.congested:
            self._wake(purse.serve())
        self._give_back(purse.take_surplus())
        self._look_after_line()

    def _look_after_line(self) -> None:
        """Ask for what the first in line needs; with nobody in line, need nothing.

        What is left over is given back before: two senders that each held a part of what they need would wait for each
        other forever.
        """
        purse = self._purse
        missing = purse.missing
        if missing > purse.available:
            self._give_back(purse.empty())
            self._ask(missing)
        elif not missing:
            if self._want.recalled:
                self._give_back(purse.empty())
            if self._want.need_nothing():
                self._flush_soon()

    def _ask(self, least: int) -> None:
        """Ask the host for places, behind the frame that leaves next; see `Want.ask`."""
        if self._want.ask(least):
            self._flush_soon()

    @property
    def _short(self) -> bool:
        return self._want.short(self._purse.available + self.room)

    def _give_back(self, places: int) -> None:
        if places:
            self._want.gave_back()
            self._link.give_back(places)

    # -- frames ------------------------------------------------------------------------------------------------------

    def _added(self, size: int) -> None:
        """What holds `size` records is in the frame that leaves next; its places are taken."""
        self.look_again()
        writer = self._writer
        if writer.items >= _FRAME_ITEMS or writer.nbytes >= self._frame_bytes:
            self._send_frame()
            if self._short and self._purse.available:  # with none left, they will be needed, and asked for as such
                self._ask_now()
        elif self._flushing:
            self._open_room()
        else:
            self._flush_soon()
        if self._want.asked is None and self._short:
            self._ask(0)

    def _open_room(self) -> None:
        """More comes than one item in this turn of the loop: let some follow that need not be looked at one by one."""
        writer, purse = self._writer, self._purse
        left = self._frame_bytes - writer.nbytes
        alike = left * writer.items // (2 * writer.nbytes)  # how many surely fit, if they are not twice as large
        room = min(_FRAME_ITEMS - writer.items, alike, purse.available)
        if room > 0 and not self._link.congested and purse.try_take(room):
            self.room = room
            self._light = left // room

    def look_again(self) -> None:
        """There is no `room` any more; that is so before anything else happens to the places or the frame."""
        if self.room:
            self._purse.add(self.room)
            self.room = 0

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_later)

    def _flush_later(self) -> None:
        self._flushing = False
        if not self._over:  # whoever closes has flushed
            self._flush()

    def _flush(self) -> None:
        self.look_again()
        if self._writer.items:
            self._send_frame()
        self._ask_now()

    def _send_frame(self) -> None:
        frame = self._writer.take()
        self._sent += frame.records
        self._queued += frame.records
        self._link.send(frame)

    def _ask_now(self) -> None:
        request = None if self._closed else self._want.leave(self._purse.available)
        if request is not None:
            self._link.want(*request)

    # -- ends --------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Nothing more can be sent: refuse whoever waits, and do not wait for the end's arrival."""
        self.look_again()
        self._over = True
        self._wake(self._purse.line)
        self.ended()

    def _wake(self, turns: Iterable["asyncio.Future[None]"]) -> None:
        for turn in turns:
            if not turn.done():  # one that was cancelled gives its places back when its task runs
                turn.set_result(None)

    def _refuse(self) -> NoReturn:
        if self._closed:
            raise ClosedChannel("this sender is closed; open another one", channel=self.name, address=self.address)
        if self._broken is not None:
            self._refuse_broken(self._broken)
        raise ReceiverClosed("the receiver wants nothing more", channel=self.name, address=self.address)

    def _refuse_broken(self, error: ChannelError) -> NoReturn:
        self._broken_told = True
        raise error.with_traceback(None)  # it may be raised many times, and would keep every caller's frame
