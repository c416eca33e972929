"""How a sender reaches the actor."""

from sage.transports.codec import Frame
from sage.transports.errors import ChannelError
from sage.transports.ray.caller import Message
from sage.transports.ray.frame_queue import Standing
from sage.transports.ray.line import Line
from sage.transports.ray.parcels import Parcel
from sage.transports.remote import SenderEvents, SenderLink

__all__ = ["RaySenderLink"]


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
        nbytes = len(frame.body) + sum([memoryview(buffer).nbytes for buffer in frame.buffers])
        self._line.post("send", Parcel.of(frame), frame.records, nbytes=nbytes)

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
        assert self._events is not None
        name, *arguments = event
        {"granted": self._events.granted, "recalled": self._events.recalled, "unwanted": self._events.unwanted}[name](
            *arguments
        )

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
