"""What serves a queue over ZeroMQ: one ROUTER socket, and a session for each sender and each consumer."""

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any, Final

import zmq

from sage.transports.codec import Codec
from sage.transports.errors import CodecError, TransportError
from sage.transports.remote import Host, HostedQueue, ProtocolError
from sage.transports.zmq.connection import BEATS
from sage.transports.zmq.keys import CurveServer
from sage.transports.zmq.sessions import ConsumerSession, Doorway, SenderSession, Session
from sage.transports.zmq.socket import Buffer, Socket
from sage.transports.zmq.target import MAX_QUEUE_PARTS
from sage.transports.zmq.wire import (
    Header,
    Hello,
    Kind,
    Refusal,
    Role,
    Welcome,
    WireError,
    other_version,
    pack_header,
    unpack_header,
)

__all__ = ["ZmqHost"]

_logger = logging.getLogger("sage.transports")
# For how many seconds a host that closes waits at most until all have acknowledged what they were told.
_FAREWELL: Final = 1.0
# What has not left by then has so many seconds more, without being waited for.
_LINGER: Final = 0.25


class ZmqHost(Host):
    """Serves one queue; made by `ZmqHost.open`.

    Attributes:
        queue: the queue.
        metadata: where the socket was bound: ``endpoint``, and over tcp ``port``.
        refused: how many messages were dropped or refused.
    """

    queue: HostedQueue

    def __init__(self, codec: Codec, curve: CurveServer | None, lost_after: float) -> None:
        self.metadata: Mapping[str, Any] = {}
        self.refused = 0
        self._codec = codec
        self._welcome = Welcome(os.urandom(8), lost_after)
        self._epoch = int.from_bytes(self._welcome.epoch, "little")
        self._sessions: dict[bytes, Session] = {}
        self._loop = asyncio.get_running_loop()
        # Done when every session knows what it was told; set while the host closes.
        self._settled: asyncio.Future[None] | None = None
        self._socket = Socket(
            zmq.ROUTER,
            self._on_message,
            curve=curve,
            max_message=codec.max_bytes,
            max_parts=MAX_QUEUE_PARTS,
            heartbeat=lost_after / 3,
            same_user=True,
        )
        self._interval = lost_after / BEATS
        self._timer = self._loop.call_later(self._interval, self._beat)

    @classmethod
    def open(
        cls,
        name: str,
        address: str,
        capacity: int | None,
        *,
        codec: Codec,
        curve: CurveServer | None,
        lost_after: float,
    ) -> "ZmqHost":
        """Bind `address` and serve a new queue there; port 0 is any that is free.

        Raises:
            zmq.ZMQError: the address cannot be bound.
        """
        host = cls(codec, curve, lost_after)
        try:
            bound = host._socket.bind(address)
        except BaseException:
            host._stop()
            raise
        host.metadata = {"endpoint": bound}
        host.queue = HostedQueue(name, bound, capacity)
        return host

    async def aclose(self) -> None:
        """See `Host.aclose`. It waits, for a second at most, until all others know that the queue is closed.

        Cancel safety: when cancelled, everything is closed all the same.
        """
        if self._socket.closed:
            return
        try:
            if not self._all_settled():
                self._settled = self._loop.create_future()
                await asyncio.wait([self._settled], timeout=min(_FAREWELL, self._welcome.lost_after))
            await self._socket.unbind()
        finally:
            self._stop()

    # -- messages ----------------------------------------------------------------------------------------------------

    def _on_message(self, message: list[Buffer]) -> None:
        peer = bytes(message[0])
        try:
            header = unpack_header(message[1])
        except (WireError, IndexError) as error:
            self._drop(peer, message, error)
            return
        session = self._sessions.get(peer)
        if session is None:
            self._greet(peer, header, message)
            return
        try:
            if header.kind >= Kind.HEARTBEAT and header.kind != Kind.BYE:
                session.take(header, message[2:])
            elif header.kind == Kind.BYE:
                self._part(peer, session)
            elif header.kind == Kind.HELLO:
                self._welcome_again(session)
        except (ProtocolError, WireError, CodecError) as error:
            self._put_out(peer, session, error)
        if self._settled is not None and self._all_settled() and not self._settled.done():
            self._settled.set_result(None)

    def _greet(self, peer: bytes, header: Header, message: list[Buffer]) -> None:
        """A message of no session: HELLO, or one that does not know that its session is gone."""
        if header.kind == Kind.BYE:
            return
        if header.kind != Kind.HELLO or len(message) < 3 or header.a not in (Role.SENDER, Role.CONSUMER):
            self._refuse(peer, Refusal.UNKNOWN_SESSION, "this session is not known")
            return
        try:
            hello = Hello.unpack(message[2])
        except WireError as error:
            self._refuse(peer, Refusal.NOT_ALLOWED, str(error))
            return
        if hello.queue != self.queue.name:
            self._refuse(peer, Refusal.OTHER_QUEUE, f"the queue that lives here is {self.queue.name!r}")
            return
        self._welcome_new(peer, Role(header.a), hello)

    def _welcome_new(self, peer: bytes, role: Role, hello: Hello) -> None:
        def write(parts: list[Any]) -> bool:
            return self._socket.send([peer, *parts])

        def dismiss(why: Refusal, reason: str) -> None:
            self._sessions.pop(peer, None)
            self._refuse(peer, why, reason)

        kind = SenderSession if role is Role.SENDER else ConsumerSession
        session = self._sessions[peer] = kind(self.queue, self._codec, hello, Doorway(write, dismiss))
        self._welcome_again(session)

    def _welcome_again(self, session: Session) -> None:
        received = session.seat.received if isinstance(session, SenderSession) else 0
        capacity = self.queue.credit.capacity or 0
        session.stream.note(Kind.WELCOME, capacity, received, [self._welcome.pack()])

    # -- ends --------------------------------------------------------------------------------------------------------

    def _part(self, peer: bytes, session: Session) -> None:
        del self._sessions[peer]
        session.lose("it closed its connection without an end")

    def _put_out(self, peer: bytes, session: Session, error: TransportError) -> None:
        """A session did what is not allowed. It ends there; what it sent before counts."""
        del self._sessions[peer]
        self.refused += 1
        _logger.warning("queue %r (%s): %s is put out: it %s", *self._named(), session.describe(), error)
        self._refuse(peer, Refusal.NOT_ALLOWED, f"what was sent cannot be accepted: {error}")
        session.lose(f"what it sent cannot be accepted: {error}")

    def _refuse(self, peer: bytes, why: Refusal, text: str) -> None:
        self._socket.send([peer, pack_header(Kind.REFUSED, 0, 0, why, self._epoch), text.encode()])

    def _drop(self, peer: bytes, message: list[Buffer], error: Exception) -> None:
        self.refused += 1
        _logger.debug("queue %r (%s): a message was dropped: %s", *self._named(), error)
        if len(message) > 1 and other_version(message[1]):
            self._refuse(peer, Refusal.OTHER_VERSION, str(error))

    def _beat(self) -> None:
        """Time for heartbeats. They are counted, not seconds, so a loop that was held up takes nobody for dead."""
        self._timer = self._loop.call_later(self._interval, self._beat)
        for peer, session in list(self._sessions.items()):
            if not session.beat():
                del self._sessions[peer]
                session.lose(f"no connection for {self._welcome.lost_after:g} s")

    def _all_settled(self) -> bool:
        return all(session.stream.settled for session in self._sessions.values())

    def _stop(self) -> None:
        self._timer.cancel()
        self._socket.close(_LINGER)

    def _named(self) -> tuple[str, str]:
        return self.queue.name, self.queue.address
