"""Messages that arrive once and in order, over connections that may be cut at any moment. Pure: no I/O, no clock.

Both sides number what they send, keep it until it is acknowledged, and send again from where the other one lost the
thread ("go back N"). It needs nothing of the connection but that what arrives is whole; repetitions, losses and changes
of order are all repaired. `wire` describes it message by message.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sage.transports.zmq.wire import COUNTED, Header, Kind, WireError, pack_header

__all__ = ["Incoming", "Outgoing", "Sent", "Stream"]

# How much may arrive before it is acknowledged by a message of its own.
_ACK_MESSAGES: Final = 64
_ACK_BYTES: Final = 8 << 20


class Sent(NamedTuple):
    """A message that is kept until it is acknowledged."""

    kind: int
    a: int
    b: int
    #: Body and buffers.
    parts: Sequence[Any]
    nbytes: int


class Outgoing:
    """What was sent in one direction and is not acknowledged.

    Attributes:
        last: the number of the last message.
        nbytes: how many bytes are kept.
    """

    __slots__ = ("_kept", "last", "nbytes")

    def __init__(self) -> None:
        self.last = 0
        self.nbytes = 0
        self._kept: deque[Sent] = deque()

    @property
    def acknowledged(self) -> int:
        """The number up to which the other side has everything."""
        return self.last - len(self._kept)

    def append(self, message: Sent) -> int:
        """Keep the next message; return its number."""
        self._kept.append(message)
        self.nbytes += message.nbytes
        self.last += 1
        return self.last

    def forget(self, ack: int) -> None:
        """The other side has everything up to `ack`; one that came late is no harm.

        Raises:
            WireError: so many were not sent.
        """
        if ack > self.last:
            raise WireError(f"message {ack} is acknowledged, and {self.last} were sent")
        kept = self._kept
        for _ in range(ack - self.acknowledged):
            self.nbytes -= kept.popleft().nbytes

    def kept(self) -> list[tuple[int, Sent]]:
        """All that is not acknowledged, with numbers, in order."""
        return list(enumerate(self._kept, self.acknowledged + 1))


class Incoming:
    """What has come in one direction.

    Attributes:
        received: the number up to which everything came.
        missing: something after that is known to have been sent, and was asked for.
    """

    __slots__ = ("missing", "received")

    def __init__(self) -> None:
        self.received = 0
        self.missing = False

    def accept(self, number: int) -> bool:
        """Whether the message with this number is the next one."""
        if number != self.received + 1:
            return False
        self.received = number
        self.missing = False
        return True

    def must_ask(self, last: int, *, again: bool = False) -> bool:
        """The other side has sent everything up to `last`: whether to ask it for what is missing.

        Args:
            last: the number of the last message that it sent.
            again: ask also if it was asked before: the question, or its answer, may have been lost.
        """
        if last <= self.received or (self.missing and not again):
            return False
        self.missing = True
        return True


class Stream:
    """One side of a session: numbers, keeps and repeats.

    Args:
        write: called with the parts of each message that goes out. It may drop it.
    """

    __slots__ = ("_incoming", "_outgoing", "_unacked", "_unacked_bytes", "_write")

    def __init__(self, write: Callable[[list[Any]], object]) -> None:
        self._write = write
        self._outgoing = Outgoing()
        self._incoming = Incoming()
        # Received since an acknowledgement last went out.
        self._unacked = 0
        self._unacked_bytes = 0

    @property
    def kept_bytes(self) -> int:
        """How many bytes are sent and not acknowledged."""
        return self._outgoing.nbytes

    @property
    def settled(self) -> bool:
        """Whether everything that was sent is acknowledged."""
        return self._outgoing.acknowledged == self._outgoing.last

    def post(self, kind: int, a: int = 0, b: int = 0, parts: Sequence[Any] = (), nbytes: int = 0) -> None:
        """Send a counted message; `nbytes` is the size of its parts."""
        message = Sent(kind, a, b, parts, nbytes)
        self._send(self._outgoing.append(message), message)

    def note(self, kind: int, a: int = 0, b: int = 0, parts: Sequence[Any] = ()) -> None:
        """Send a message that is not counted. It tells the numbers of both sides as well."""
        self._send(self._outgoing.last, Sent(kind, a, b, parts, 0))

    def receive(self, header: Header, nbytes: int = 0) -> bool:
        """A message came: see to its numbers. Return whether to act on it.

        HEARTBEAT and RESEND are dealt with here.

        Args:
            header: its header.
            nbytes: the size of its other parts.

        Raises:
            WireError: it acknowledges what was not sent.
        """
        outgoing, incoming = self._outgoing, self._incoming
        kind, number, ack, a, _ = header
        if ack != outgoing.acknowledged:
            outgoing.forget(ack)
        if kind >= COUNTED:
            if incoming.accept(number):
                self._unacked += 1
                self._unacked_bytes += nbytes
                return True
            if number <= incoming.received:
                # The other side repeats: it may not know that all of this came.
                self._unacked += 1
            elif incoming.must_ask(number):
                self.note(Kind.RESEND)
            return False
        if incoming.must_ask(number, again=kind == Kind.HEARTBEAT):
            self.note(Kind.RESEND)
        if kind == Kind.RESEND:
            for number, message in outgoing.kept():
                self._send(number, message)
            return False
        if kind == Kind.HEARTBEAT:
            if a:
                self.note(Kind.HEARTBEAT)
            return False
        return True

    def acknowledge_soon(self) -> None:
        """Acknowledge if so much has come that the other side should know; after acting on what came."""
        if self._unacked >= _ACK_MESSAGES or self._unacked_bytes >= _ACK_BYTES:
            self.note(Kind.HEARTBEAT)

    def acknowledge(self) -> None:
        """Acknowledge now, unless that went out since something came."""
        if self._unacked:
            self.note(Kind.HEARTBEAT)

    def _send(self, number: int, message: Sent) -> None:
        self._unacked = self._unacked_bytes = 0
        kind, a, b, parts, _ = message
        self._write([pack_header(kind, number, self._incoming.received, a, b), *parts])
