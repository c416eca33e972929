"""What happens to a socket's connections: libzmq's monitor, told on the event loop."""

import asyncio
import enum
import errno
import os
import socket as unix
import struct
from collections.abc import Callable
from itertools import count
from typing import Final, NamedTuple, cast

import zmq

from sage.transports.zmq.process import zmq_context

__all__ = ["Event", "EventKind", "Monitor"]

_numbers = count(1)
_READABLE: Final = int(zmq.POLLIN)


class EventKind(enum.Enum):
    """What can happen to a connection."""

    #: It is made, keys included: messages pass.
    CONNECTED = "connected"
    #: It is gone; a socket that connects tries again by itself.
    DISCONNECTED = "disconnected"
    #: Nobody listens there; it is tried again.
    UNREACHABLE = "unreachable"
    #: The other side is there but does not let us in: a wrong key, none, or one where none is expected.
    DENIED = "denied"
    #: The other side went away, or spoke something else, before the connection was made; it is tried again.
    FAILED = "failed"
    #: The socket does not listen any more: its address is free.
    UNBOUND = "unbound"


class Event(NamedTuple):
    """What happened to one connection.

    Attributes:
        kind: see `EventKind`.
        reason: more about it, for errors and logs; may be empty.
        final: whether the connection must not be used, though libzmq would.
    """

    kind: EventKind
    reason: str = ""
    final: bool = False


_KEY_ERRORS: Final[dict[int, str]] = {
    zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH: "one side uses CURVE keys and the other does not",
    zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC: "the keys do not fit",
}
_WATCHED: Final = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)


class Monitor:
    """Tells what happens to the connections of one socket.

    Args:
        socket: the socket.
        on_event: called on the running loop with each event; it must be quick and must not raise.
        same_user: over ipc, refuse a server that another user of the machine runs: then `on_event` is told `DENIED`.
    """

    def __init__(
        self, socket: "zmq.Socket[bytes]", on_event: Callable[[Event], None], *, same_user: bool = False
    ) -> None:
        self._watched = socket
        self._on_event = on_event
        self._same_user = same_user
        self._loop = asyncio.get_running_loop()
        address = f"inproc://sage-monitor-{next(_numbers)}"
        socket.monitor(address, _WATCHED | (zmq.EVENT_CONNECTED if same_user else 0))
        self._socket = zmq_context().socket(zmq.PAIR)
        self._socket.linger = 0
        self._socket.connect(address)
        self._loop.add_reader(self._socket.FD, self.drain)
        # What came before there was a reader would not wake it.
        self._loop.call_soon(self.drain)

    def drain(self) -> None:
        """Tell all that has happened until now."""
        while not self._socket.closed and cast(int, self._socket.getsockopt(zmq.EVENTS)) & _READABLE:
            try:
                head, _ = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            event = self._understand(*struct.unpack("=HI", head))
            if event is not None:
                self._on_event(event)

    def close(self) -> None:
        """Tell nothing more; before the watched socket is closed."""
        if not self._socket.closed:
            self._loop.remove_reader(self._socket.FD)
            self._watched.disable_monitor()
            self._socket.close()

    def _understand(self, number: int, value: int) -> Event | None:
        if number == zmq.EVENT_CONNECTED:
            if _user_behind(value) in (os.geteuid(), None):
                return None
            return Event(EventKind.DENIED, "another user of this machine listens there", final=True)
        if number == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return Event(EventKind.CONNECTED)
        if number == zmq.EVENT_DISCONNECTED:
            return Event(EventKind.DISCONNECTED)
        if number == zmq.EVENT_CLOSED:
            return Event(EventKind.UNBOUND) if self._watched.type == zmq.ROUTER else None
        if number == zmq.EVENT_CONNECT_RETRIED:
            return Event(EventKind.UNREACHABLE, "nobody listens there")
        if number == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return Event(EventKind.DENIED, f"the key was not let in (status {value})")
        if number == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            if value in _KEY_ERRORS:
                return Event(EventKind.DENIED, _KEY_ERRORS[value])
            return Event(EventKind.FAILED, f"it does not speak ZeroMQ as we do (protocol error {value:#x})")
        return Event(EventKind.FAILED, f"it went away during the handshake ({os.strerror(value)})")


def _user_behind(fd: int) -> int | None:
    """The user who listens at the other end of a connected Unix socket; -1 if it cannot be told.

    `None` if it is closed already, because the other side was: nothing has passed, and nothing will.
    """
    try:
        with unix.socket(fileno=os.dup(fd)) as twin:
            credentials = twin.getsockopt(unix.SOL_SOCKET, unix.SO_PEERCRED, struct.calcsize("3i"))
    except OSError as error:
        return None if error.errno == errno.EBADF else -1
    uid: int = struct.unpack("3i", credentials)[1]
    return uid
