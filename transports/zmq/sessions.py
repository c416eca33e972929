"""The host's side of a session: one sender or one consumer, as a queue's host knows it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sage.transports.codec import Codec, FrameWriter, read_frame
from sage.transports.remote import ConsumerPeer, HostedQueue, ProtocolError, SenderPeer
from sage.transports.zmq.connection import BEATS
from sage.transports.zmq.links import frame_bytes
from sage.transports.zmq.socket import Buffer
from sage.transports.zmq.stream import Stream
from sage.transports.zmq.wire import Header, Hello, Kind, Refusal

__all__ = ["ConsumerSession", "Doorway", "SenderSession", "Session"]


class Doorway(NamedTuple):
    """What the host lends to a session."""

    #: Sends a message to the client; tells whether it has a connection.
    write: Callable[[list[Any]], bool]
    #: Tells it that the session is over, and why; the host forgets it.
    dismiss: Callable[[Refusal, str], None]


class Session(ABC):
    """One client's session.

    Args:
        hello: what it said.
        doorway: how to reach it.

    Attributes:
        hello: what it said.
        stream: what is sent, and what it keeps.
        over: it has ended in order, and stays only until the client knows.
    """

    def __init__(self, hello: Hello, doorway: Doorway) -> None:
        self.hello = hello
        self.over = False
        self._doorway = doorway
        self._connected = True
        self.stream = Stream(self._send)
        # Whether the client is known to have been welcomed: before, it may have given up and begun another session.
        self._confirmed = False
        self._cut_beats = 0

    def describe(self) -> str:
        """Who it is, as it said."""
        return self.hello.name or "a process without a name"

    def take(self, header: Header, parts: Sequence[Buffer]) -> None:
        """A message came.

        Raises:
            ProtocolError, WireError: it is not allowed.
            CodecError: what it brings cannot be read.
        """
        self._confirmed = True
        stream = self.stream
        nbytes = sum(map(len, parts)) if parts else 0
        if stream.receive(header, nbytes) and not self.over:
            self._act(header, parts)
        stream.acknowledge_soon()

    def beat(self) -> bool:
        """Time for a heartbeat; tell whether the client is still there."""
        self.stream.note(Kind.HEARTBEAT)
        self._cut_beats = 0 if self._connected else self._cut_beats + 1
        return self._cut_beats < BEATS - 1

    def lose(self, reason: str) -> None:
        """It went away, or was put out, without an end."""
        if not self.over:
            self.over = True
            self._lose(reason)

    @abstractmethod
    def _act(self, header: Header, parts: Sequence[Buffer]) -> None:
        """A counted message came, in order."""

    @abstractmethod
    def _lose(self, reason: str) -> None:
        """Give the seat up."""

    def _send(self, frames: list[Any]) -> None:
        self._connected = self._doorway.write(frames)


class SenderSession(Session, SenderPeer):
    """A sender's session, and how its seat reaches it.

    Args:
        queue: the queue where it gets a seat.
        codec: how its items are read.
        hello: what it said.
        doorway: how to reach it.
    """

    def __init__(self, queue: HostedQueue, codec: Codec, hello: Hello, doorway: Doorway) -> None:
        super().__init__(hello, doorway)
        self._codec = codec
        self.seat = queue.seat_sender(self, hello.sender_id)

    def grant(self, places: int, queued: int) -> None:
        """See `SenderPeer.grant`."""
        self.stream.post(Kind.GRANT, places, queued)

    def recall(self) -> None:
        """See `SenderPeer.recall`."""
        self.stream.post(Kind.RECALL)

    def unwanted(self) -> None:
        """See `SenderPeer.unwanted`."""
        if not self.over:
            self.stream.post(Kind.UNWANTED)

    def put_out(self, reason: str) -> None:
        """See `SenderPeer.put_out`."""
        self.over = True
        self._doorway.dismiss(Refusal.REPLACED, reason)

    def _act(self, header: Header, parts: Sequence[Buffer]) -> None:
        kind, _, _, a, b = header
        if kind == Kind.DATA:
            if not parts:
                raise ProtocolError("sends items without a body")
            self.seat.arrived(read_frame(self._codec, parts[0], parts[1:], items=a))
        elif kind == Kind.WANT:
            self.seat.wants(a, b)
        elif kind == Kind.GIVE_BACK:
            self.seat.gave_back(a)
        elif kind == Kind.END:
            self.over = True
            self.seat.ended()
            self.stream.post(Kind.ENDED)
        else:
            raise ProtocolError(f"sends a message of kind {kind}, which a sender does not")

    def _lose(self, reason: str) -> None:
        if self._confirmed:
            self.seat.lost(reason)
        else:
            self.seat.ended()


class ConsumerSession(Session, ConsumerPeer):
    """A consumer's session, and how its seat reaches it.

    Args:
        queue: the queue where it gets a seat.
        codec: how items are packed for it.
        hello: what it said.
        doorway: how to reach it.
    """

    def __init__(self, queue: HostedQueue, codec: Codec, hello: Hello, doorway: Doorway) -> None:
        super().__init__(hello, doorway)
        self._writer = FrameWriter(codec)
        self._seat = queue.seat_consumer(self)

    def deliver(self, items: list[tuple[Any, int]], queued: int) -> None:
        """See `ConsumerPeer.deliver`."""
        writer = self._writer
        packed = [(writer.pack(item), size) for item, size in items]
        for encoded, size in packed:
            writer.add(encoded, size)
        frame = writer.take()
        self.stream.post(Kind.DELIVER, frame.items, queued, [frame.body, *frame.buffers], frame_bytes(frame))

    def finished(self) -> None:
        """See `ConsumerPeer.finished`."""
        if not self.over:
            self.stream.post(Kind.FINISHED)

    def _act(self, header: Header, parts: Sequence[Buffer]) -> None:
        kind, a = header.kind, header.a
        if kind == Kind.DEMAND:
            self._seat.wants(a)
        elif kind == Kind.TAKEN:
            self._seat.acknowledged(a)
        elif kind == Kind.LEAVE:
            self.over = True
            self._seat.left()
            self.stream.post(Kind.LEFT)
        else:
            raise ProtocolError(f"sends a message of kind {kind}, which a consumer does not")

    def _lose(self, reason: str) -> None:
        self._seat.lost()
