"""The sending end, and how it reaches the actor."""

from typing import TypeVar

from sage.transports.codec import Codec, Frame
from sage.transports.errors import ChannelError
from sage.transports.ray.caller import Message
from sage.transports.ray.line import Line
from sage.transports.ray.parcels import Parcel
from sage.transports.ray.standing import Standing
from sage.transports.remote import RemoteSender, SenderEvents, SenderLink

__all__ = ["RaySender", "RaySenderLink"]

T = TypeVar("T")


class RaySender(RemoteSender[T]):
    """A `RemoteSender` that tells the other ends of its process what is on its way.

    Args:
        line: the line to the actor, which the sender owns from now on.
    """

    def __init__(self, name: str, address: str, capacity: int | None, line: Line, codec: Codec) -> None:
        self._board = line.board
        super().__init__(name, address, capacity, RaySenderLink(line), codec)

    def _added(self, size: int) -> None:
        self._board.under_way += size
        super()._added(size)

    def _open_room(self) -> None:
        """None: each item is told when it is put."""


class RaySenderLink(SenderLink):
    """See `SenderLink`.

    Args:
        line: the line to the actor, which the link owns from now on.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._events: SenderEvents | None = None

    def start(self, events: SenderEvents) -> None:
        """See `SenderLink.start`."""
        self._events = events
        self._line.start(self)

    @property
    def congested(self) -> bool:
        """See `SenderLink.congested`."""
        return self._line.congested

    def send(self, frame: Frame) -> None:
        """See `SenderLink.send`."""
        parcel, records, board = Parcel.of(frame), frame.records, self._line.board

        def confirmed() -> None:
            board.under_way -= records

        self._line.post("send", parcel, records, nbytes=parcel.nbytes, then=confirmed)

    def want(self, places: int, least: int) -> None:
        """See `SenderLink.want`."""
        self._line.post("want", places, least)

    def give_back(self, places: int) -> None:
        """See `SenderLink.give_back`."""
        self._line.post("give_back", places)

    def end(self) -> None:
        """See `SenderLink.end`."""
        assert self._events is not None, "the link is started before it ends"
        self._line.post("end", then=self._events.ended)

    def close(self) -> None:
        """See `SenderLink.close`; what was sent still arrives while this process lives."""
        self._line.close()

    async def closed(self) -> None:
        """See `SenderLink.closed`.

        Cancel safety: it is freed all the same.
        """
        await self._line.closed()

    # -- what the line tells (`LineEvents`) --------------------------------------------------------------------------

    def heard(self, event: Message) -> None:
        """See `LineEvents.heard`."""
        events = self._events
        assert events is not None
        match event:
            case "granted", places, queued:
                events.granted(places, queued)
            case ("recalled",):
                events.recalled()
            case ("unwanted",):
                events.unwanted()

    def stands(self, standing: Standing) -> None:
        """See `LineEvents.stands`."""
        if self._events is not None and self._line.idle:  # otherwise it does not know what is under way
            self._events.granted(0, standing.queued)

    def uncongested(self) -> None:
        """See `LineEvents.uncongested`."""
        if self._events is not None:
            self._events.uncongested()

    def broken(self, error: ChannelError) -> None:
        """See `LineEvents.broken`."""
        if self._events is not None:
            self._events.broken(error)
