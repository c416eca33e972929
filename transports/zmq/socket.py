"""A ZeroMQ socket on an event loop, without `zmq.asyncio`: a callback for each message, and sends that never wait.

libzmq tells by the *edge* of one file descriptor that something happened, and any call into the socket may use the edge
up. So there are three rules, and the socket stalls if one is broken: read until there is nothing more; if that was cut
short, go on later without waiting for the descriptor; look at the socket's events after every send.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import Final, cast

import zmq
from zmq.backend import Socket as PlainSocket

from sage.transports.zmq.keys import CurveClient, CurveServer
from sage.transports.zmq.monitor import Event, EventKind, Monitor
from sage.transports.zmq.process import zmq_context, zmq_zap
from sage.transports.zmq.socket_file import SocketFile, refuse_to_replace

__all__ = ["Buffer", "MAX_MESSAGE", "MAX_PARTS", "Socket"]

Buffer = bytes | bytearray | memoryview

#: How large one part of a message may be, in bytes, unless told otherwise.
MAX_MESSAGE: Final = 1 << 30
#: How many parts a message may have.
MAX_PARTS: Final = 4096

# How long one turn of the loop reads, in seconds: then others have their turn.
_BUDGET: Final = 0.002
# Parts of at least this many bytes are sent without a copy. Below, a copy costs less: libzmq has to tell another thread
# when it needs the memory no more.
_LARGE: Final = 1 << 19
# Parts of at least this many bytes are handed out where they lie.
_LARGE_IN: Final = 1 << 14
# As `zmq.Socket.send`, without what that does for options that are not used here.
_send: Final[Callable[..., object]] = PlainSocket.send
_LAST: Final = int(zmq.NOBLOCK)
_READABLE: Final = int(zmq.POLLIN)  # an enum of pyzmq's: a plain number is quicker to mask with
_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
# After a cut, connecting is tried again after this many milliseconds, and then ever more slowly up to the second one.
_RECONNECT_MS: Final = (20, 200)


class Socket:
    """A ROUTER or DEALER socket that belongs to the running loop.

    High-water marks are off: whoever uses it bounds what is under way. A ROUTER tells senders apart by the first part
    of a message, both in what it receives and in what it sends; one that comes again under its routing id takes over.

    Args:
        kind: `zmq.ROUTER` or `zmq.DEALER`.
        on_message: called with the parts of each message. Large parts are a `memoryview` of where they lie, others are
            `bytes`. If it raises, the loop's exception handler is told, and the next message comes all the same.
        on_read: called when all messages that were there have been told, or as many as one turn of the loop allows.
        on_event: called with what happens to connections; see `Event`.
        curve: keys; a `CurveServer` binds, a `CurveClient` connects. Without them anyone is let in and can be read.
        max_message: parts larger than this many bytes are not received: the connection is cut instead.
        max_parts: messages of more parts are dropped.
        routing_id: what a ROUTER at the other side knows this socket by; random by default.
        heartbeat: after how many seconds of silence libzmq asks a connected peer for a sign; one that gives none for
            three times as long is disconnected. `None` to leave that to TCP.
        same_user: over ipc, talk with processes of this user only; a socket that finds itself connected to another
            user's tells `DENIED` and is closed.
        hold: whether a DEALER keeps what it is given while it has no connection; otherwise it drops that.

    Attributes:
        refused: how many messages were dropped because they had too many parts.
    """

    def __init__(
        self,
        kind: int,
        on_message: Callable[[list[Buffer]], None],
        *,
        on_read: Callable[[], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
        curve: CurveClient | CurveServer | None = None,
        max_message: int = MAX_MESSAGE,
        max_parts: int = MAX_PARTS,
        routing_id: bytes | None = None,
        heartbeat: float | None = None,
        same_user: bool = False,
        hold: bool = True,
    ) -> None:
        self.refused = 0
        self._on_message = on_message
        self._on_read = on_read
        self._on_event = on_event
        self._max_parts = max_parts
        self._loop = asyncio.get_running_loop()
        self._domain: bytes | None = None
        self._bound: str | None = None
        self._unbound: asyncio.Future[None] | None = None
        self._file: SocketFile | None = None
        self._same_user = same_user
        # A drain is under way, or will be: nothing else needs to schedule one.
        self._draining = False
        self._monitor: Monitor | None = None
        self._socket = socket = zmq_context().socket(kind)
        try:
            self._set_options(max_message, heartbeat)
            if kind == zmq.ROUTER:
                socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
                socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            else:
                self._set_dealer_options(routing_id or os.urandom(16), hold)
            self._set_keys(curve)
        except BaseException:
            socket.close(0)
            raise
        # What has to be looked at between a message and its delivery: whether it came from another user's process.
        self._guard: Monitor | None = None
        self._closed = False
        self._fd: int = socket.FD
        self._loop.add_reader(self._fd, self._told)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def bind(self, address: str) -> str:
        """Listen; return the real address, with the port that was chosen where 0 was asked for.

        ``ipc://@name`` has no file, and so leaves none behind when the process is killed.

        Raises:
            zmq.ZMQError: the address cannot be bound.
        """
        if address.startswith("ipc:"):
            if self._same_user:
                self._socket.setsockopt(zmq.IPC_FILTER_UID, os.geteuid())
            refuse_to_replace(address)
        self._prepare(address, same_user=False)
        self._socket.bind(address)
        self._look()
        bound = self._socket.getsockopt(zmq.LAST_ENDPOINT)
        assert isinstance(bound, bytes)
        self._bound = place = bound.rstrip(b"\0").decode()
        self._file = SocketFile.of(place)
        return place

    async def unbind(self) -> None:
        """Listen no more, and return when the address is free. Connections that were made stay.

        Cancel safety: when cancelled, the address will be free a moment later.
        """
        if self._bound is None or self._closed:
            return
        address, self._bound = self._bound, None
        self._watch(same_user=False)
        self._unbound = self._loop.create_future()
        self._socket.unbind(address)
        self._look()
        # It is told at once; a limit, for nobody should wait for an event that libzmq might drop.
        await asyncio.wait([self._unbound], timeout=1)

    def connect(self, address: str) -> None:
        """Connect, now and again whenever the connection is lost; what is sent meanwhile waits.

        Raises:
            zmq.ZMQError: it is not an address.
        """
        self._prepare(address, same_user=self._same_user and address.startswith("ipc:"))
        self._socket.connect(address)
        self._look()

    def send(self, frames: Sequence[Buffer]) -> bool:
        """Send a message; never waits. Tell whether it was taken.

        A ROUTER drops what is for nobody it is connected to, a DEALER without `hold` what it has no connection for, a
        closed socket everything.

        Large parts are not copied: they must not change until they have left, so whoever reuses a buffer copies it.
        """
        if self._closed:
            return False
        socket = self._socket
        *others, last = frames
        try:
            for frame in others:
                # With `False`, pyzmq looks at the size itself.
                _send(socket, frame, _MORE, type(frame) is bytes and len(frame) < _LARGE)
            _send(socket, last, _LAST, type(last) is bytes and len(last) < _LARGE)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return False
        finally:
            if not self._draining:
                self._look()
        return True

    def drain(self) -> None:
        """Read what there is now, or as much of it as one turn of the loop allows; the loop does so by itself."""
        until = time.monotonic() + _BUDGET
        told = more = False  # whether there is more to read than this turn allows
        try:
            while not self._closed and self._readable():  # asked first: an exception for nothing costs three times that
                message = self._receive()
                if message is None:
                    break
                told = more = True
                self._hand_out(message)
                if time.monotonic() > until:
                    break
                more = False
        finally:
            self._draining = more and not self._closed
            if self._draining:
                self._loop.call_soon(self.drain)
        if told and self._on_read is not None:
            self._on_read()

    def close(self, linger: float = 0) -> None:
        """Close it; what was sent and has not left is given `linger` seconds. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        if self._monitor is not None:
            self._monitor.close()
        self._socket.close(int(linger * 1000))
        if self._file is not None:
            self._file.remove()
        if self._domain is not None:
            zmq_zap().forget(self._domain)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _set_options(self, max_message: int, heartbeat: float | None) -> None:
        socket = self._socket
        socket.set_hwm(0)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, max_message)
        socket.copy_threshold = _LARGE
        if heartbeat is not None:
            interval = max(1, int(heartbeat * 1000))
            socket.setsockopt(zmq.HEARTBEAT_IVL, interval)
            socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * interval)
            socket.setsockopt(zmq.HEARTBEAT_TTL, 3 * interval)

    def _set_dealer_options(self, routing_id: bytes, hold: bool) -> None:
        socket = self._socket
        socket.setsockopt(zmq.ROUTING_ID, routing_id)
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS[0])
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MS[1])
        socket.setsockopt(zmq.IMMEDIATE, not hold)

    def _set_keys(self, curve: CurveClient | CurveServer | None) -> None:
        if curve is None:
            return
        socket = self._socket
        socket.setsockopt(zmq.CURVE_PUBLICKEY, curve.keys.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, curve.keys.secret.encode())
        if isinstance(curve, CurveServer):
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            self._domain = zmq_zap().admit(curve.clients)
            socket.setsockopt(zmq.ZAP_DOMAIN, self._domain)
        else:
            socket.setsockopt(zmq.CURVE_SERVERKEY, curve.server.encode())

    def _prepare(self, address: str, *, same_user: bool) -> None:
        self._socket.setsockopt(zmq.IPV6, "[" in address)
        if self._on_event is not None or same_user:
            self._watch(same_user=same_user)

    def _watch(self, *, same_user: bool) -> None:
        if self._monitor is None:
            self._monitor = Monitor(self._socket, self._happened, same_user=same_user)
            self._guard = self._monitor if same_user else None

    def _look(self) -> None:
        """Schedule a drain if something can be read: the call just made may have used up the edge that tells of it."""
        if not self._draining and self._readable():
            self._draining = True
            self._loop.call_soon(self.drain)

    def _told(self) -> None:
        """The descriptor tells that there is something to read: one message, as a rule.

        Whether there are others is asked behind those whom this one wakes, since asking takes as long as sending.
        """
        if self._draining or self._closed:
            return
        self._draining = True
        try:
            message = self._receive()
            if message is not None:
                self._hand_out(message)
                if self._on_read is not None:
                    self._on_read()
        finally:
            self._loop.call_soon(self.drain)

    def _hand_out(self, message: list[Buffer]) -> None:
        if self._guard is not None:
            self._guard.drain()  # which may close the socket
        if message and not self._closed:
            self._on_message(message)

    def _readable(self) -> bool:
        return bool(cast(int, self._socket.getsockopt(zmq.EVENTS)) & _READABLE)

    def _receive(self) -> list[Buffer] | None:
        """The parts of the next message; none of them if there were too many, and `None` without a message."""
        receive = self._socket.recv
        try:
            frame = receive(_LAST, False, False)
        except zmq.Again:
            return None
        parts: list[Buffer] = []
        while True:
            parts.append(frame.bytes if len(frame) < _LARGE_IN else frame.buffer)
            if not frame.more:
                return parts
            frame = receive(0, False, False)
            if len(parts) == self._max_parts:
                return self._skip(frame)

    def _skip(self, frame: zmq.Frame) -> list[Buffer]:
        while frame.more:
            frame = self._socket.recv(0, False, False)
        self.refused += 1
        return []

    def _happened(self, event: Event) -> None:
        if event.final:
            self.close()
        if event.kind is EventKind.UNBOUND:
            if self._unbound is not None and not self._unbound.done():
                self._unbound.set_result(None)
        elif self._on_event is not None:
            self._on_event(event)
