"""Offers methods to callers in other processes."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import zmq

from sage.transports.codec import Codec
from sage.transports.errors import CodecError
from sage.transports.rpc.admission import Admission
from sage.transports.rpc.errors import ClosedRpc, ConnectionLost, MalformedMessage, ServerUnreachable
from sage.transports.rpc.failures import kind_of_refusal
from sage.transports.rpc.handler import Methods, RpcHandler
from sage.transports.rpc.outbox import Outbox
from sage.transports.rpc.runner import Runner
from sage.transports.rpc.served import Peer, Request, ServedCall
from sage.transports.rpc.wire import (
    BYE,
    CALL,
    CANCEL,
    CLOSING,
    GOODBYE,
    GRANT,
    HEAD,
    HELLO,
    KEYWORDS,
    MOST_WINDOW,
    OTHER_VERSION,
    Record,
    UNKNOWN_PEER,
    WELCOME,
    WrongVersion,
    pack_record,
    read_message,
)
from sage.transports.zmq import CurveServer, Event, EventKind, Socket

__all__ = ["RpcServer", "RpcServerStatistics"]

_logger = logging.getLogger("sage.transports")

# An answer that was sent before the server closes is given this many seconds to leave.
_LINGER: Final = 1.0
# libzmq tells that a connection is gone a moment before the socket knows whose it was.
_MOMENT: Final = 0.01


class RpcServerStatistics(NamedTuple):
    """How a server stands."""

    #: clients that are connected
    clients: int
    #: calls that run now
    running: int
    #: calls that wait for one of `max_concurrency` places
    waiting: int
    #: calls that came since it was started
    calls: int
    #: messages that were dropped because they are none of this protocol
    malformed: int


class RpcServer:
    """Offers methods at an address; use it as an async context manager, or call `start` and `aclose`.

    ::

        async with RpcServer({"add": add, "tokens": tokens}) as server:
            print(server.address)
            await stopped.wait()

    Every call runs in a task of its own, which the server cancels when the caller cancels the call, its deadline
    passes, the caller goes away, or the server closes.

    Args:
        handler: functions by name (see `Methods`), or an object that finds them (see `RpcHandler`).
        address: where; ``tcp://127.0.0.1:0`` takes any free port, ``ipc://@name`` is for this machine and leaves no file.
        curve: its keys and whom it lets in; needed beyond this machine.
        codec: how arguments and answers are carried; clients need one that fits.
        max_concurrency: how many calls run at once; `None` for no bound.
        max_queue: how many more wait for their turn, before calls are refused as `Overloaded`; `None` for no bound.
        heartbeat: after how many seconds of silence a client is asked for a sign. One that gives none for three times
            as long is gone.
    """

    def __init__(
        self,
        handler: RpcHandler | Mapping[str, Callable[..., Any]],
        address: str = "tcp://127.0.0.1:0",
        *,
        curve: CurveServer | None = None,
        codec: Codec | None = None,
        max_concurrency: int | None = None,
        max_queue: int | None = None,
        heartbeat: float = 1.0,
    ) -> None:
        self._handler: RpcHandler = Methods(handler) if isinstance(handler, Mapping) else handler
        #: Where it is; with the real port once it is started.
        self.address = address
        self._curve = curve
        self._codec = codec or Codec()
        self._admission = Admission[ServedCall](max_concurrency, max_queue)
        self._heartbeat = heartbeat
        self._peers: dict[bytes, Peer] = {}
        self._socket: Socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._calls = 0
        self._malformed = 0

    async def start(self) -> str:
        """Begin to serve; return the address, with the port that was chosen.

        Cancel safety: it does not wait.

        Raises:
            AccessDenied: the address is beyond this machine and there are no keys.
            zmq.ZMQError: the address cannot be bound.
        """
        if self._socket is not None:
            raise ClosedRpc("a server is started once", address=self.address)
        self._runner = Runner(self._handler, self._admission)
        self._loop = asyncio.get_running_loop()
        self._socket = Socket(
            zmq.ROUTER,
            self._received,
            on_event=self._happened,
            curve=self._curve,
            max_message=self._codec.max_bytes,
            heartbeat=self._heartbeat,
            same_user=True,
        )
        try:
            self.address = self._socket.bind(self.address)
        except BaseException:
            self._socket.close()
            raise
        self._timer = self._loop.call_later(self._heartbeat, self._beat)
        return self.address

    def statistics(self) -> RpcServerStatistics:
        """How it stands."""
        return RpcServerStatistics(
            len(self._peers), self._admission.running, self._admission.waiting, self._calls, self._malformed
        )

    async def aclose(self, drain: float = 0) -> None:
        """Take no more calls, give those that are open `drain` seconds, cancel the rest and wait for them.

        Closing twice is harmless. Callers whose calls are cancelled get `ConnectionLost`.

        Cancel safety: when cancelled, all calls are cancelled and the address is free, but the tasks of the calls were
        not waited for.
        """
        if self._stopped:
            return
        self._closing = True
        try:
            if drain > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(drain):
                        await self._runner.finished()
            self._stop_all()
            await self._runner.aclose()
        finally:
            self._stop_all()
            self._leave()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- what the socket tells ---------------------------------------------------------------------------------------

    def _received(self, parts: list[Any]) -> None:
        identity = bytes(parts[0])
        try:
            records = read_message(parts[1:], self._codec)
            for record in records:
                self._obey(identity, record)
        except WrongVersion:
            self._dismiss(identity, OTHER_VERSION)
        except MalformedMessage as error:
            self._malformed += 1
            _logger.warning("%s: a message is dropped, and its sender with it: %s", self.address, error)
            self._dismiss(identity, UNKNOWN_PEER)

    def _happened(self, event: Event) -> None:
        if event.kind is EventKind.DISCONNECTED and self._peers:
            self._loop.call_later(_MOMENT, self._look_for_lost, list(self._peers))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _obey(self, identity: bytes, record: Record) -> None:
        kind = record.kind
        peer = self._peers.get(identity)
        if kind == HELLO:
            self._welcome(identity)
        elif peer is None:
            if kind != BYE:
                self._say_goodbye(identity, UNKNOWN_PEER)
        elif kind == CALL:
            self._begin(peer, record)
        elif kind == CANCEL:
            if record.id in peer.calls:
                self._runner.stop(peer.calls[record.id], None)
        elif kind == GRANT:
            if record.id in peer.calls:
                peer.calls[record.id].grant(record.number)
        elif kind == BYE:
            self._forget(identity)
        else:
            raise MalformedMessage(f"a client says nothing of kind {kind}")

    def _welcome(self, identity: bytes) -> None:
        if self._closing:
            self._say_goodbye(identity, CLOSING)
            return
        self._forget(identity)
        outbox = Outbox(self._codec, partial(self._send, identity))
        self._peers[identity] = Peer(f"client {identity.hex()[:8]}", self._codec, outbox)
        outbox.add(WELCOME)

    def _begin(self, peer: Peer, record: Record) -> None:
        if record.id in peer.calls or record.window > MOST_WINDOW:
            raise MalformedMessage(f"call {record.id}, window {record.window}: open already, or too much")
        deadline = self._loop.time() + record.number / 1e6 if record.number else None
        error: Exception | None = None
        try:
            request = _request(record)
        except CodecError as failed:
            request, error = Request("", [], {}), failed
        call = ServedCall(peer, record.id, request, deadline, record.window)
        if self._closing:
            error = ServerUnreachable("the server is closing and begins no more calls", method=request.method)
        if error is not None:
            call.fail(error, kind_of_refusal(error))
            call.over()
            return
        self._calls += 1
        self._runner.begin(call)

    def _send(self, identity: bytes, parts: list[Any]) -> None:
        assert self._socket is not None
        if not self._socket.send([identity, *parts]):
            self._forget(identity)

    def _say_goodbye(self, identity: bytes, why: int) -> None:
        self._send(identity, [HEAD + pack_record(GOODBYE, 0, 0, 0, 0, 0, why), b""])

    def _dismiss(self, identity: bytes, why: int) -> None:
        self._forget(identity)
        self._say_goodbye(identity, why)

    def _forget(self, identity: bytes) -> None:
        """A client is gone: nothing of its calls keeps running."""
        peer = self._peers.pop(identity, None)
        if peer is not None:
            self._stop_calls(peer, told=False)

    def _stop_calls(self, peer: Peer, *, told: bool) -> None:
        for call in list(peer.calls.values()):
            self._runner.stop(call, ConnectionLost("the server was closed meanwhile") if told else None)

    def _stop_all(self) -> None:
        for peer in list(self._peers.values()):
            self._stop_calls(peer, told=True)

    def _look_for_lost(self, identities: list[bytes]) -> None:
        """See who can still be reached: a ROUTER knows at once whether it has a connection to somebody."""
        if not self._stopped:
            for identity in identities:
                self._send(identity, [HEAD, b""])

    def _beat(self) -> None:
        self._look_for_lost([identity for identity, peer in self._peers.items() if peer.calls])
        self._timer = self._loop.call_later(self._heartbeat, self._beat)

    @property
    def _stopped(self) -> bool:
        return self._socket is None or self._socket.closed

    def _leave(self) -> None:
        assert self._socket is not None and self._timer is not None
        for peer in list(self._peers.values()):
            peer.outbox.add(GOODBYE, number=CLOSING)
            peer.outbox.flush()
        self._peers.clear()
        self._timer.cancel()
        self._socket.close(_LINGER)


def _request(record: Record) -> Request:
    """What a CALL asks.

    Raises:
        CodecError: its value cannot be decoded.
        MalformedMessage: it is no CALL.
    """
    values = record.values
    if isinstance(values, CodecError):
        raise values
    if len(values) != 1 or type(values[0]) is not list or not values[0]:
        raise MalformedMessage("a CALL tells no method")
    method, *args = values[0]
    kwargs = args.pop() if record.flags & KEYWORDS and args else {}
    if type(method) is not str or type(kwargs) is not dict:
        raise MalformedMessage("a CALL tells its method, or its keywords, in another way")
    return Request(method, args, kwargs)
