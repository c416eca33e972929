"""The two kinds of connections, as the shared ends of `sage.transports.remote` use them."""

from collections.abc import Sequence
from typing import Final

from sage.transports.codec import Codec, Frame, read_frame
from sage.transports.errors import BrokenChannel, ChannelError, CodecError
from sage.transports.remote import ConsumerEvents, ConsumerLink, SenderEvents, SenderLink
from sage.transports.zmq.connection import Connection
from sage.transports.zmq.socket import Buffer
from sage.transports.zmq.wire import Header, Kind

__all__ = ["ZmqConsumerLink", "ZmqSenderLink", "frame_bytes"]

# A sender pauses while so many bytes are not acknowledged, and goes on when half of them are.
_CONGESTED: Final = 32 << 20


def frame_bytes(frame: Frame) -> int:
    """How many bytes a frame has."""
    nbytes = len(frame.body)
    return nbytes + sum([memoryview(buffer).nbytes for buffer in frame.buffers]) if frame.buffers else nbytes


class ZmqSenderLink(SenderLink):
    """A sender's session.

    Args:
        connection: the session, which the link owns.
    """

    # One is unpacked, and what it held is used while that is still in the processor's cache, as the next one is packed.
    frame_bytes = 1 << 16

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stream = connection.stream
        self._paused = False
        self._events: SenderEvents | None = None

    def start(self, events: SenderEvents) -> None:
        """See `SenderLink.start`."""
        self._events = events
        self._connection.start(self)

    @property
    def congested(self) -> bool:
        """See `SenderLink.congested`."""
        return self._paused

    def send(self, frame: Frame) -> None:
        """See `SenderLink.send`."""
        items, records, body, buffers = frame
        self._stream.post(Kind.DATA, items, records, [body, *buffers], frame_bytes(frame))
        self._paused = self._stream.kept_bytes > _CONGESTED

    def want(self, places: int, least: int) -> None:
        """See `SenderLink.want`."""
        self._stream.post(Kind.WANT, places, least)

    def give_back(self, places: int) -> None:
        """See `SenderLink.give_back`."""
        self._stream.post(Kind.GIVE_BACK, places)

    def end(self) -> None:
        """See `SenderLink.end`."""
        self._stream.post(Kind.END)

    def close(self) -> None:
        """See `SenderLink.close`."""
        self._connection.close()

    # -- what the connection tells (`ConnectionUser`) ----------------------------------------------------------------

    def arrived(self, header: Header, parts: Sequence[Buffer]) -> None:
        """See `ConnectionUser.arrived`."""
        events = self._events
        assert events is not None, "messages come after start()"
        kind = header.kind
        if kind == Kind.GRANT:
            events.granted(header.a, header.b)
        elif kind == Kind.RECALL:
            events.recalled()
        elif kind == Kind.ENDED:
            self._stream.acknowledge()
            events.ended()
        elif kind == Kind.UNWANTED:
            self._stream.acknowledge()
            # Nothing more is to be said: from now on, the host may go away.
            self._connection.close()
            events.unwanted()

    def progressed(self) -> None:
        """See `ConnectionUser.progressed`."""
        if self._paused and self._stream.kept_bytes < _CONGESTED // 2 and self._events is not None:
            self._paused = False
            self._events.uncongested()

    def broken(self, error: ChannelError) -> None:
        """See `ConnectionUser.broken`."""
        assert self._events is not None, "messages come after start()"
        self._events.broken(error)


class ZmqConsumerLink(ConsumerLink):
    """A consumer's session.

    Args:
        connection: the session, which the link owns.
        codec: how items become bytes.
        name: the channel's, for errors.
        address: its host's, for errors.
    """

    def __init__(self, connection: Connection, codec: Codec, name: str, address: str) -> None:
        self._connection = connection
        self._stream = connection.stream
        self._codec = codec
        self._name = name
        self._address = address
        self._events: ConsumerEvents | None = None

    def start(self, events: ConsumerEvents) -> None:
        """See `ConsumerLink.start`."""
        self._events = events
        self._connection.start(self)

    def want(self, records: int) -> None:
        """See `ConsumerLink.want`."""
        self._stream.post(Kind.DEMAND, records)

    def acknowledge(self, items: int) -> None:
        """See `ConsumerLink.acknowledge`."""
        self._stream.post(Kind.TAKEN, items)

    def leave(self) -> None:
        """See `ConsumerLink.leave`."""
        self._stream.post(Kind.LEAVE)

    def close(self) -> None:
        """See `ConsumerLink.close`."""
        self._connection.close()

    # -- what the connection tells (`ConnectionUser`) ----------------------------------------------------------------

    def arrived(self, header: Header, parts: Sequence[Buffer]) -> None:
        """See `ConnectionUser.arrived`."""
        events = self._events
        assert events is not None, "messages come after start()"
        kind = header.kind
        if kind == Kind.DELIVER:
            self._deliver(events, header, parts)
        elif kind == Kind.LEFT:
            self._stream.acknowledge()
            events.left()
        elif kind == Kind.FINISHED:
            self._stream.acknowledge()
            self._connection.close()
            events.finished()

    def progressed(self) -> None:
        """See `ConnectionUser.progressed`."""

    def broken(self, error: ChannelError) -> None:
        """See `ConnectionUser.broken`."""
        assert self._events is not None, "messages come after start()"
        self._events.broken(error)

    def _deliver(self, events: ConsumerEvents, header: Header, parts: Sequence[Buffer]) -> None:
        try:
            if not parts:
                raise CodecError("a delivery without a body")
            items = read_frame(self._codec, parts[0], parts[1:], items=header.a)
        except CodecError as error:
            self._connection.close()
            broken = BrokenChannel(
                f"what its host delivers cannot be read here: {error}", channel=self._name, address=self._address
            )
            broken.__cause__ = error
            events.broken(broken)
            return
        events.told(header.b)
        events.delivered(items)
