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
from sage.transports.rpc.address import checked_endpoint
from sage.transports.rpc.admission import Admission
from sage.transports.rpc.errors import ClosedRpc, ConnectionLost, MalformedMessage, RpcError, ServerUnreachable
from sage.transports.rpc.failures import kind_of_refusal
from sage.transports.rpc.handler import Methods, RpcHandler
from sage.transports.rpc.outbox import Outbox
from sage.transports.rpc.runner import Runner
from sage.transports.rpc.served import Peer, ServedCall
from sage.transports.rpc.wire import (
    BYE,
    CALL,
    CANCEL,
    CLOSING,
    GOODBYE,
    GRANT,
    HELLO,
    KEYWORDS,
    MOST_WINDOW,
    OTHER_VERSION,
    UNKNOWN_PEER,
    WELCOME,
    Record,
    WrongVersion,
    pack_message,
    pack_record,
    read_message,
)
from sage.transports.zmq import CurveServer, Event, EventKind, Socket

__all__ = ["RpcServer", "RpcServerStatistics"]

_logger = logging.getLogger("sage.transports")

# A socket that is closed right after its last message may lose it, whatever its linger time. So clients confirm that
# they have heard of the end; those that do not within this many seconds hang.
_PARTING: Final = 1.0
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

    Every call runs as if in a task of its own (one that waits for anything has one), which the server cancels when the
    caller cancels the call, its deadline passes, the caller goes away, or the server closes.

    Args:
        handler: functions by name (see `Methods`), or an object that finds them (see `RpcHandler`).
        address: where; ``tcp://127.0.0.1:0`` takes any free port, ``ipc://@name`` is for this user on this machine and
            leaves no file; ``ipc://*`` takes a name of its own.
        curve: its keys and whom it lets in; needed beyond this machine.
        codec: how arguments and answers are carried; clients need one that fits.
        max_concurrency: how many calls run at once; `None` for no bound.
        max_queue: how many more wait for their turn, before calls are refused as `Overloaded`; `None` for no bound.
        heartbeat: after how many seconds of silence a client is asked for a sign. One that gives none for three times
            as long is gone.

    Raises:
        InvalidChannel: the address is none, or can be reached from other machines and there are no keys.
        ValueError: a bound that cannot be.
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
        self._endpoint = checked_endpoint(address, curve)
        #: Where it is; with the real port once it is started.
        self.address = address
        self._curve = curve
        self._codec = codec or Codec()
        self._admission = Admission[ServedCall](max_concurrency, max_queue)
        self._heartbeat = heartbeat
        self._peers: dict[bytes, Peer] = {}
        # Those that said something that is being read.
        self._asking: set[Peer] = set()
        self._socket: Socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        # Set while it closes: done when one more client knows.
        self._parted: asyncio.Future[None] | None = None
        self._calls = 0
        self._malformed = 0

    async def start(self) -> str:
        """Begin to serve; return the address, with the port that was chosen.

        Cancel safety: when cancelled, nothing was bound.

        Raises:
            RpcError: the address cannot be bound.
            ClosedRpc: it was started before.
        """
        if self._socket is not None:
            raise ClosedRpc("a server is started once", address=self.address)
        try:
            # A name may have to be looked up, which may take a while.
            find = self._endpoint.bindable
            address = find() if self._endpoint.local else await asyncio.to_thread(find)
        except OSError as error:
            raise RpcError(f"it cannot be bound: {error}", address=self.address) from error
        self._runner = Runner(self._handler, self._admission)
        self._loop = asyncio.get_running_loop()
        self._socket = Socket(
            zmq.ROUTER,
            self._received,
            on_read=self._answer,
            on_event=self._happened,
            curve=self._curve,
            max_message=self._codec.max_bytes,
            heartbeat=self._heartbeat,
            same_user=True,
        )
        try:
            self.address = self._socket.bind(address)
        except zmq.ZMQError as error:
            self._socket.close()
            raise RpcError(f"it cannot be bound: {error}", address=self.address) from error
        self._timer = self._loop.call_later(self._heartbeat, self._beat)
        return self.address

    def statistics(self) -> RpcServerStatistics:
        """How it stands."""
        return RpcServerStatistics(
            len(self._peers), self._admission.running, self._admission.waiting, self._calls, self._malformed
        )

    async def aclose(self, drain: float = 0) -> None:
        """Take no more calls, give those that are open `drain` seconds, cancel the rest and wait for them.

        Closing twice is harmless. Callers whose calls are cancelled get `ConnectionLost`. It waits, for a second at
        most, until all clients have got what was sent to them.

        Cancel safety: when cancelled, all calls are cancelled and the address is free, but the tasks of the calls and
        the last answers were not waited for.
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
            await self._part()
        finally:
            self._stop_all()
            self._release()

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
        peer: Peer | None = None
        try:
            for record in read_message(parts[1:], self._codec):
                kind = record.kind
                peer = self._peers.get(identity)
                if peer is None or kind == HELLO:
                    self._meet(identity, kind)
                elif kind == CALL:
                    self._begin(peer, record)
                else:
                    self._obey(identity, peer, record)
            if peer is not None:
                self._asking.add(peer)
                self._runner.run_ready()
        except WrongVersion:
            self._dismiss(identity, OTHER_VERSION)
        except MalformedMessage as error:
            self._malformed += 1
            _logger.warning("%s: a message is dropped, and its sender with it: %s", self.address, error)
            self._dismiss(identity, UNKNOWN_PEER)

    def _answer(self) -> None:
        """All that could be read was read: what was answered at once leaves."""
        self._runner.run_ready()  # what a message had begun that turned out to be malformed
        asking, self._asking = self._asking, set()
        for peer in asking:
            peer.outbox.flush()

    def _happened(self, event: Event) -> None:
        if event.kind is EventKind.DISCONNECTED and self._peers:
            self._loop.call_later(_MOMENT, self._look_for_lost, list(self._peers))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _meet(self, identity: bytes, kind: int) -> None:
        """Somebody begins, or says something without having begun."""
        if kind != HELLO:
            if kind != BYE:
                self._say_goodbye(identity, UNKNOWN_PEER)
        elif self._closing:
            self._say_goodbye(identity, CLOSING)
        else:
            self._forget(identity)
            outbox = Outbox(self._codec, partial(self._send, identity))
            self._peers[identity] = Peer(f"client {identity.hex()[:8]}", self._codec, outbox)
            outbox.add(WELCOME)

    def _obey(self, identity: bytes, peer: Peer, record: Record) -> None:
        kind = record.kind
        if kind == CANCEL:
            if record.id in peer.calls:
                self._runner.stop(peer.calls[record.id], None)
        elif kind == GRANT:
            if record.id in peer.calls:
                peer.calls[record.id].grant(record.number)
        elif kind == BYE:
            self._forget(identity)
        else:
            raise MalformedMessage(f"a client says nothing of kind {kind}")

    def _begin(self, peer: Peer, record: Record) -> None:
        _, flags, _, _, window, id, number, values = record
        if id in peer.calls or window > MOST_WINDOW:
            raise MalformedMessage(f"call {id}, window {window}: open already, or too much")
        deadline = self._loop.time() + number / 1e6 if number else None
        if self._closing or type(values) is not list:
            self._refuse(ServedCall(peer, id, "", [], {}, deadline, window), values)
            return
        method, args, kwargs = _request(values, flags)
        self._calls += 1
        self._runner.begin(ServedCall(peer, id, method, args, kwargs, deadline, window))

    def _refuse(self, call: ServedCall, values: list[Any] | CodecError) -> None:
        """Say why a call is not begun."""
        closing = ServerUnreachable("the server is closing and begins no more calls")
        error = values if isinstance(values, CodecError) else closing
        call.fail(error, kind_of_refusal(error))
        del call.peer.calls[call.id]

    def _send(self, identity: bytes, parts: list[Any]) -> None:
        assert self._socket is not None
        if not self._socket.send([identity, *parts]):
            self._forget(identity)

    def _say_goodbye(self, identity: bytes, why: int) -> None:
        self._send(identity, pack_message([pack_record(GOODBYE, 0, 0, 0, 0, 0, why)]))

    def _dismiss(self, identity: bytes, why: int) -> None:
        self._forget(identity)
        self._say_goodbye(identity, why)

    def _forget(self, identity: bytes) -> None:
        """A client is gone: nothing of its calls keeps running."""
        peer = self._peers.pop(identity, None)
        if peer is not None:
            self._stop_calls(peer, told=False)
            if self._parted is not None and not self._parted.done():
                self._parted.set_result(None)

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
                self._send(identity, pack_message([]))

    def _beat(self) -> None:
        self._look_for_lost([identity for identity, peer in self._peers.items() if peer.calls])
        self._timer = self._loop.call_later(self._heartbeat, self._beat)

    @property
    def _stopped(self) -> bool:
        return self._socket is None or self._socket.closed

    async def _part(self) -> None:
        """Tell all clients that it is over, behind their last answers, and wait until they know."""
        for peer in list(self._peers.values()):
            peer.outbox.add(GOODBYE, number=CLOSING)
            peer.outbox.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                while self._peers:
                    self._parted = self._loop.create_future()
                    await self._parted

    def _release(self) -> None:
        assert self._socket is not None
        assert self._timer is not None
        self._timer.cancel()
        self._runner.close()
        self._socket.close()
        self._peers.clear()


def _request(values: list[Any], flags: int) -> tuple[str, list[Any], dict[str, Any]]:
    """The method, the positional and the keyword arguments of a CALL.

    Raises:
        MalformedMessage: it is no CALL.
    """
    if len(values) != 1 or type(values[0]) is not list or not values[0]:
        raise MalformedMessage("a CALL tells no method")
    method, *args = values[0]
    kwargs = args.pop() if flags & KEYWORDS and args else {}
    if type(method) is not str or type(kwargs) is not dict:
        raise MalformedMessage("a CALL tells its method, or its keywords, in another way")
    return method, args, kwargs
