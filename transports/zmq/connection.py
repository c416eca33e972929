"""A client's session with a host: how it is opened, kept over cuts of the network, and found dead."""

import asyncio
import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import zmq

from sage.transports.errors import AccessDenied, BrokenChannel, ChannelError, ConnectError
from sage.transports.zmq.monitor import Event, EventKind
from sage.transports.zmq.socket import Buffer, Socket
from sage.transports.zmq.stream import Stream
from sage.transports.zmq.target import MAX_QUEUE_PARTS, Target
from sage.transports.zmq.wire import HEADER, Header, Hello, Kind, Refusal, Role, Welcome, WireError, unpack_header

__all__ = ["BEATS", "Connection", "ConnectionUser", "connect"]

#: So many heartbeats go out in the time after which a peer without a connection counts as dead.
BEATS: Final = 8
# How often HELLO is said, in seconds, while nobody answers.
_HELLO_EVERY: Final = 1.0
# With keys, a host that cuts the handshake so many times in a row does not let us in; a cut network may do it once.
_CUT_HANDSHAKES: Final = 3
# What was sent and has not left when a session is over has so many seconds to leave.
_LINGER: Final = 1.0


class ConnectionUser(Protocol):
    """Who a `Connection` tells what comes."""

    def arrived(self, header: Header, parts: Sequence[Buffer]) -> None:
        """A counted message came, in order; `parts` are its body and buffers."""

    def progressed(self) -> None:
        """Something came, by which more may be acknowledged."""

    def broken(self, error: ChannelError) -> None:
        """The session is over: the host is gone, or refuses it."""


class Connection:
    """One session; made by `connect`.

    Args:
        target: where the host is.
        role: what the session is for.
        sender_id: the sender's identity, if it has one.

    Attributes:
        stream: what is sent, and what it keeps.
        welcomed: done when the host has answered, or refused.
        capacity: the queue's, as the host told; `None` for no bound.
        received: how many items the host had received under the sender's identity.
    """

    def __init__(self, target: Target, role: Role, sender_id: str | None) -> None:
        self._target = target
        self._role = role
        self._hello = Hello(target.queue, f"process {os.getpid()} on {platform.node()}", sender_id)
        self._loop = asyncio.get_running_loop()
        self.welcomed: asyncio.Future[None] = self._loop.create_future()
        self.capacity: int | None = None
        self.received = 0
        self._welcome: Welcome | None = None
        self._user: ConnectionUser | None = None
        # What came before there was someone to tell.
        self._early: list[tuple[Header, list[Buffer]]] = []
        self._error: ChannelError | None = None
        self._over = False
        self._connected = False
        # Heartbeats in a row without a connection; handshakes in a row that were cut.
        self._cut_beats = 0
        self._cut_handshakes = 0
        #: Why there is no connection, as far as is known.
        self.trouble = "nobody answers"
        self._timer: asyncio.TimerHandle | None = None
        self._socket = Socket(
            zmq.DEALER,
            self._on_message,
            on_event=self._on_event,
            curve=target.curve,
            max_message=target.max_message,
            max_parts=MAX_QUEUE_PARTS,
            same_user=True,
            hold=False,
        )
        self.stream = Stream(self._socket.send)
        try:
            self._socket.connect(target.address)
        except BaseException:
            self._socket.close()
            raise
        self._timer = self._loop.call_later(_HELLO_EVERY, self._say_hello_again)

    def start(self, user: ConnectionUser) -> None:
        """Tell `user` what comes from now on, and what has come until now."""
        self._user = user
        early, self._early = self._early, []
        for header, parts in early:
            user.arrived(header, parts)
        if self._error is not None:
            user.broken(self._error)

    def close(self) -> None:
        """End the session at once. Closing twice is harmless."""
        if not self._over:
            self.stream.note(Kind.BYE)
            self._stop()

    # -- what the socket tells ---------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        kind = event.kind
        if kind is EventKind.CONNECTED:
            self._connected = True
            self._cut_beats = self._cut_handshakes = 0
            if self._welcome is None:
                self._say_hello()
            else:
                self.stream.note(Kind.HEARTBEAT, 1)
        elif kind is EventKind.DISCONNECTED:
            self._connected = False
        elif kind is EventKind.DENIED:
            self._deny(event.reason)
        elif kind is EventKind.FAILED:
            self.trouble = event.reason
            self._cut_handshakes += 1
            if self._cut_handshakes >= _CUT_HANDSHAKES and self._target.curve is not None:
                self._deny(f"{event.reason}; is server_key the host's public key?")
        else:
            self.trouble = event.reason

    def _on_message(self, message: list[Buffer]) -> None:
        try:
            header = unpack_header(message[0])
            if header.kind == Kind.REFUSED:
                self._refused(header, message)
            elif header.kind == Kind.WELCOME:
                self._accept(header, message)
            elif self._welcome is not None:
                self._take(header, message)
        except WireError as error:
            self._fail(self._broken(f"it says what cannot be understood ({error}); is it a host of sage?"))

    def _take(self, header: Header, message: list[Buffer]) -> None:
        stream, user = self.stream, self._user
        if stream.receive(header, sum(map(len, message)) - HEADER):
            if user is None:
                self._early.append((header, message[1:]))
            else:
                user.arrived(header, message[1:])
        if not self._over:
            stream.acknowledge_soon()
            if user is not None:
                user.progressed()

    # -- opening -----------------------------------------------------------------------------------------------------

    def _say_hello(self) -> None:
        self.stream.note(Kind.HELLO, self._role, 0, [self._hello.pack()])

    def _say_hello_again(self) -> None:
        self._say_hello()
        self._timer = self._loop.call_later(_HELLO_EVERY, self._say_hello_again)

    def _accept(self, header: Header, message: list[Buffer]) -> None:
        if self._welcome is not None or len(message) < 2:
            return
        self._welcome = Welcome.unpack(message[1])
        self.capacity = header.a or None
        self.received = header.b
        self.stream.receive(header)
        # Now the host knows that we know.
        self.stream.note(Kind.HEARTBEAT)
        if self._timer is not None:
            self._timer.cancel()
        self._interval = self._welcome.lost_after / BEATS
        self._timer = self._loop.call_later(self._interval, self._beat)
        if not self.welcomed.done():
            self.welcomed.set_result(None)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Time for a heartbeat. Beats are counted, not seconds, so a loop that was held up takes nobody for dead."""
        if self._connected:
            self.stream.note(Kind.HEARTBEAT)
        else:
            self._cut_beats += 1
            if self._cut_beats >= BEATS - 1:
                assert self._welcome is not None
                self._fail(self._broken(f"no connection for {self._welcome.lost_after:g} s ({self.trouble})"))
                return
        self._timer = self._loop.call_later(self._interval, self._beat)

    def _refused(self, header: Header, message: list[Buffer]) -> None:
        text = bytes(message[1][:512]).decode(errors="replace") if len(message) > 1 else ""
        target = self._target
        if self._welcome is None:
            self._fail(ConnectError(f"its host refused: {text}", channel=target.queue, address=target.address))
        elif header.b != int.from_bytes(self._welcome.epoch[:8], "little"):
            self._fail(self._broken("it was restarted, and what was in the queue is lost"))
        elif header.a == Refusal.UNKNOWN_SESSION:
            self._fail(self._broken(f"it had no connection to us for {self._welcome.lost_after:g} s and gave us up"))
        else:
            peer = f"the host at {target.address}"
            self._fail(
                BrokenChannel(f"{peer} refused: {text}", channel=target.queue, address=target.address, peer=peer)
            )

    def _deny(self, reason: str) -> None:
        target = self._target
        if self._welcome is None:
            self._fail(AccessDenied(f"its host lets us not in: {reason}", channel=target.queue, address=target.address))
        else:
            self._fail(self._broken(f"it lets us in no more: {reason}"))

    def _broken(self, reason: str) -> ChannelError:
        target = self._target
        if self._welcome is None:
            return ConnectError(reason, channel=target.queue, address=target.address)
        peer = f"the host at {target.address}"
        return BrokenChannel(f"{peer} is lost: {reason}", channel=target.queue, address=target.address, peer=peer)

    def _fail(self, error: ChannelError) -> None:
        if self._over:
            return
        self._error = error
        self._stop()
        if not self.welcomed.done():
            self.welcomed.set_exception(error)
        elif self._user is not None:
            self._user.broken(error)

    def _stop(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._socket.close(_LINGER)


async def connect(target: Target, role: Role, sender_id: str | None = None) -> Connection:
    """Open a session with a host.

    Cancel safety: when cancelled, nothing stays open.

    Raises:
        AccessDenied: the host does not let this process in.
        ConnectError: nobody answers within the limits, or the host refuses.
    """
    trouble = ""
    for _ in range(target.attempts):
        # A new socket each time, which looks the host's name up anew.
        connection = Connection(target, role, sender_id)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(target.timeout):
                    await connection.welcomed
                return connection
        except BaseException:
            connection.close()
            raise
        trouble = connection.trouble
        connection.close()
    raise ConnectError(
        f"no answer from its host within {target.timeout:g} s, tried {target.attempts} times: {trouble}; is it open "
        f"there, and reachable from here?",
        channel=target.queue,
        address=target.address,
    )
