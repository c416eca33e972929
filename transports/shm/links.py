"""The connection to a host, as senders and consumers of other processes use it."""

from typing import NamedTuple

from sage.transports.codec import Codec, Frame
from sage.transports.errors import BrokenChannel
from sage.transports.remote.links import ConsumerEvents, ConsumerLink, SenderEvents, SenderLink
from sage.transports.remote.seats import ProtocolError
from sage.transports.shm import messages
from sage.transports.shm.inlet import Inlet
from sage.transports.shm.outlet import Outlet
from sage.transports.shm.segment import Segment
from sage.transports.shm.wire import Wire

__all__ = ["HostNames", "ShmConsumerLink", "ShmSenderLink"]


class HostNames(NamedTuple):
    """Whose host it is, for errors."""

    channel: str
    address: str
    pid: int

    def broken(self, reason: str) -> BrokenChannel:
        """What to raise when it is gone."""
        peer = f"the host in process {self.pid}"
        return BrokenChannel(f"{peer} went away: {reason}", channel=self.channel, address=self.address, peer=peer)


class ShmSenderLink(SenderLink):
    """The connection of one sender.

    Args:
        host: whose it is.
        wire: the connection.
        segment: the memory that the host was given.
    """

    # Frames cost little here, and the allocator takes larger ones from the system anew each time.
    frame_bytes = 1 << 16

    _events: SenderEvents

    def __init__(self, host: HostNames, wire: Wire, segment: Segment) -> None:
        self._host = host
        self._wire = wire
        self._outlet = Outlet(wire, segment, self._tell_room)
        # The end has arrived, or the host wants nothing more: now it may close the connection.
        self._over = False

    def start(self, events: SenderEvents) -> None:
        """See `SenderLink.start`."""
        self._events = events
        self._wire.start(self)

    @property
    def congested(self) -> bool:
        """See `SenderLink.congested`: frames wait for room in the memory."""
        return self._outlet.congested

    def send(self, frame: Frame) -> None:
        """See `SenderLink.send`."""
        self._outlet.send(frame)

    def serves(self, sender: object) -> bool:
        """Whether this is the connection of that sender."""
        return self._events is sender

    def room(self, length: int) -> memoryview | None:
        """See `Outlet.room`."""
        return self._outlet.room(length)

    def want(self, places: int, least: int) -> None:
        """See `SenderLink.want`."""
        self._outlet.tell(messages.WANT, places, least)

    def give_back(self, places: int) -> None:
        """See `SenderLink.give_back`."""
        self._outlet.tell(messages.GIVE_BACK, places)

    def end(self) -> None:
        """See `SenderLink.end`."""
        self._outlet.tell(messages.END)

    def close(self) -> None:
        """See `SenderLink.close`."""
        self._wire.close()
        self._outlet.close()

    def received(self, kind: int, numbers: tuple[int, ...]) -> None:
        """See `WireEvents.received`."""
        match kind:
            case messages.GRANT:
                self._events.granted(*numbers[1:])
            case messages.FREED:
                self._outlet.freed(numbers)
            case messages.HELD:
                self._outlet.held()
            case messages.RECALL:
                self._events.recalled()
            case messages.UNWANTED:
                self._over = True
                self.close()  # by this the host knows that it is known here
                self._events.unwanted()
            case messages.ENDED:
                self._over = True
                self._events.ended()
            case _:
                raise ProtocolError(f"a host does not send messages of kind {kind} to a sender")

    def gone(self, reason: str) -> None:
        """See `WireEvents.gone`."""
        self.close()
        if not self._over:
            self._events.broken(self._host.broken(reason))

    def _tell_room(self) -> None:
        self._events.uncongested()


class ShmConsumerLink(ConsumerLink):
    """The connection of one consumer.

    Args:
        host: whose it is.
        wire: the connection.
        segment: the memory that the host has passed.
        codec: how items are read.
    """

    _events: ConsumerEvents

    def __init__(self, host: HostNames, wire: Wire, segment: Segment, codec: Codec) -> None:
        self._host = host
        self._wire = wire
        self._inlet = Inlet(wire, segment, codec)
        # Items that were delivered and not acknowledged.
        self._pending = 0
        # The host waits until there are none.
        self._needing = False
        self._over = False

    def start(self, events: ConsumerEvents) -> None:
        """See `ConsumerLink.start`."""
        self._events = events
        self._wire.start(self)

    def want(self, records: int) -> None:
        """See `ConsumerLink.want`."""
        self._wire.tell_now(messages.DEMAND, records)

    def acknowledge(self, items: int) -> None:
        """See `ConsumerLink.acknowledge`."""
        self._pending -= items
        self._wire.tell(messages.ACK, items)
        self._tell_when_taken()

    def leave(self) -> None:
        """See `ConsumerLink.leave`."""
        self._wire.tell_now(messages.LEAVE)

    def close(self) -> None:
        """See `ConsumerLink.close`."""
        self._wire.close()
        self._inlet.close()

    def received(self, kind: int, numbers: tuple[int, ...]) -> None:
        """See `WireEvents.received`."""
        match kind:
            case messages.FRAME:
                items = self._inlet.frame(numbers[1], numbers[2:])
                self._pending += len(items.values)
                self._events.delivered(items)
            case messages.PIECE:
                self._inlet.piece(*numbers[1:])
            case messages.TOLD:
                self._events.told(numbers[1])
            case messages.NEED:
                self._needing = True
                self._tell_when_taken()
            case messages.FINISHED:
                self._over = True
                self._events.finished()
            case messages.LEFT:
                self._over = True
                self._events.left()
            case _:
                raise ProtocolError(f"a host does not send messages of kind {kind} to a consumer")

    def gone(self, reason: str) -> None:
        """See `WireEvents.gone`."""
        self.close()
        if not self._over:
            self._events.broken(self._host.broken(reason))

    def _tell_when_taken(self) -> None:
        if self._needing and not self._pending:
            self._needing = False
            self._inlet.all_taken()
