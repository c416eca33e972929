"""One connection of a client: from its HELLO until it is lost or closed. What comes after is another one.

So nothing that was meant for one life of a server ever reaches the next.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import zmq

from sage.transports.codec import Codec
from sage.transports.errors import CodecError
from sage.transports.rpc.deadlines import Deadlines
from sage.transports.rpc.errors import (
    ClosedRpc,
    ConnectionLost,
    DeadlineExceeded,
    MalformedMessage,
    RpcError,
    ServerRefused,
    ServerUnreachable,
)
from sage.transports.rpc.failures import read_failure
from sage.transports.rpc.outbox import Outbox
from sage.transports.rpc.replies import Reply
from sage.transports.rpc.wire import (
    ANSWER,
    BYE,
    CALL,
    CANCEL,
    CLOSING,
    END,
    ERROR,
    GOODBYE,
    GRANT,
    HELLO,
    ITEMS,
    KEYWORDS,
    OTHER_VERSION,
    WELCOME,
    Record,
    WrongVersion,
    pack_message,
    pack_record,
    read_message,
)
from sage.transports.zmq import CurveClient, Event, EventKind, Socket

__all__ = ["Connection"]

# libzmq may know of a connection a moment before the socket can send on it, and a server may be slow to answer.
_HELLO_EVERY: Final = 0.05
# Thirty years, in microseconds.
_FOREVER: Final = 1e15
# What was said last (CANCEL, BYE) is given this many seconds to leave.
_LINGER: Final = 1.0


class Connection:
    """A socket, and the calls that are open on it.

    Args:
        address: where the server is.
        codec: how arguments and answers are carried.
        curve: the keys, if the server wants some.
        timeout: for how many seconds the server's WELCOME is waited for.
        heartbeat: after how many seconds of silence the server is asked for a sign.

    Attributes:
        loop: the event loop it lives in.
        ready: whether calls can be made.
        settled: set once it is ready or `failure` tells why it is not.
        failure: makes the error of everyone who wants something of it, now that it is over.
    """

    def __init__(self, address: str, codec: Codec, curve: CurveClient | None, timeout: float, heartbeat: float) -> None:
        self.ready = False
        self.settled = asyncio.Event()
        self.failure: Callable[..., RpcError] | None = None
        self._address = address
        self._codec = codec
        self._timeout = timeout
        self._trouble = "nobody answers"
        self.loop = asyncio.get_running_loop()
        self._replies: dict[int, Reply] = {}
        self._last_id = 0
        # No call beyond this one has left.
        self._last_sent = 0
        self._deadlines = Deadlines(self._replies, self._expire)
        self._outbox = Outbox(codec, self._send)
        self._socket = Socket(
            zmq.DEALER,
            self._received,
            on_event=self._happened,
            curve=curve,
            max_message=codec.max_bytes,
            heartbeat=heartbeat,
            same_user=True,
            hold=False,
        )
        self._limit = self.loop.call_later(timeout, self._give_up)
        self._hello: asyncio.TimerHandle | None = None
        self._socket.connect(address)

    # -- calls -------------------------------------------------------------------------------------------------------

    def begin(
        self,
        reply: Reply,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        deadline: float | None,
        window: int = 0,
    ) -> None:
        """Send a call: at once if no other is under way, else with all others when the loop has control again.

        Raises:
            CodecError: the arguments cannot be carried; nothing was sent.
            DeadlineExceeded: the deadline has passed already; nothing was sent.
        """
        number = 0
        if deadline is not None:
            number = int(min((deadline - self.loop.time()) * 1e6, _FOREVER))
            if number <= 0:
                raise self._late(reply)
        value, flags = ([reply.method, *args, dict(kwargs)], KEYWORDS) if kwargs else ([reply.method, *args], 0)
        replies, outbox = self._replies, self._outbox
        self._last_id = reply.id = id = self._last_id + 1
        alone = not (replies or outbox.scheduled)
        replies[id] = reply
        if deadline is not None:
            self._deadlines.add(deadline, id)
        try:
            outbox.add_value(CALL, id, value, number, window, flags, alone=alone)
        except BaseException:
            replies.pop(id, None)
            raise

    def withdraw(self, reply: Reply) -> None:
        """The answer is not wanted any more: the server cancels the work."""
        if self._replies.pop(reply.id, None) is not None:
            self._outbox.add(CANCEL, reply.id)

    def grant(self, reply: Reply, items: int) -> None:
        """The reader of a stream has taken `items`."""
        if reply.id in self._replies:
            self._outbox.add(GRANT, reply.id, number=items)

    def close(self) -> None:
        """End it; open calls fail. Closing twice is harmless."""
        if self.ready:
            self._outbox.add(BYE)
            self._outbox.flush()
        self._fail(ClosedRpc, "this client was closed")

    # -- what the socket tells ---------------------------------------------------------------------------------------

    def _received(self, parts: list[Any]) -> None:
        try:
            records = read_message(parts, self._codec)
            for record in records:
                self._obey(record)
            if self._replies or len(records) > 1:  # a call that is alone leaves by itself
                self._outbox.flush_behind_others()
        except WrongVersion as error:
            self._fail(ServerRefused, str(error))
        except MalformedMessage as error:
            self._fail(ConnectionLost if self.ready else ServerRefused, f"it sends what nobody understands: {error}")

    def _happened(self, event: Event) -> None:
        if event.kind is EventKind.CONNECTED:
            self._say_hello()
        elif event.kind is EventKind.DENIED:
            self._fail(ServerRefused, event.reason)
        elif event.kind is EventKind.DISCONNECTED and self.ready:
            # What the server said last may be on its way to the socket.
            self.loop.call_soon(self.loop.call_soon, self._lose)
        elif event.reason:
            self._trouble = event.reason

    # -- inside ------------------------------------------------------------------------------------------------------

    def _lose(self) -> None:
        """The server has gone: what it said before counts."""
        self._socket.drain()
        self._fail(ConnectionLost, "its process went away, or hangs")

    def _obey(self, record: Record) -> None:
        kind, _, _, _, _, id, number, values = record
        reply = self._replies.get(id)
        if reply is None:
            if kind in (WELCOME, GOODBYE):
                self._greet(kind, number)
            # Anything else crossed its CANCEL.
        elif isinstance(values, CodecError):
            self._spoil(reply, values)
        elif kind == ITEMS:
            reply.items(values)
        else:
            if kind == END:
                reply.end()
            elif len(values) != 1:
                raise MalformedMessage(f"an answer of {len(values)} values")
            elif kind == ANSWER:
                reply.answer(values[0])
            elif kind == ERROR:
                reply.fail(read_failure(number, values[0], method=reply.method, address=self._address))
            else:
                raise MalformedMessage(f"a server says nothing of kind {kind}")
            # Only now: whoever waits for what turned out to be malformed is told so with all others.
            del self._replies[id]

    def _spoil(self, reply: Reply, error: CodecError) -> None:
        """What came for a call cannot be decoded."""
        self.withdraw(reply)
        error.add_note(f"in what {reply.method!r} at {self._address} answered")
        reply.fail(error)

    def _greet(self, kind: int, number: int) -> None:
        if kind == WELCOME:
            self.ready = self.failure is None
            self._limit.cancel()
            self.settled.set()
        elif number == OTHER_VERSION:
            self._fail(ServerRefused, "it speaks another version of the protocol")
        elif self.ready:
            why = "the server was closed" if number == CLOSING else "the server does not know this client any more"
            self._outbox.add(BYE)
            self._outbox.flush()
            self._fail(ConnectionLost, why)
        else:
            self._trouble = "the server is closing"

    def _say_hello(self) -> None:
        """Say HELLO until it is answered."""
        if self._hello is not None:
            self._hello.cancel()
            self._hello = None
        if not (self.ready or self.failure):
            self._socket.send(pack_message([pack_record(HELLO, 0, 0, 0, 0, 0, 0)]))
            self._hello = self.loop.call_later(_HELLO_EVERY, self._say_hello)

    def _send(self, parts: list[Any]) -> None:
        if self._socket.send(parts):
            self._last_sent = self._last_id
        else:
            self._fail(ConnectionLost, "its process went away, or hangs")

    def _give_up(self) -> None:
        self._fail(
            ServerUnreachable,
            f"no server answered within {self._timeout:g} s (connection_timeout): {self._trouble}",
        )

    def _expire(self, id: int) -> None:
        reply = self._replies[id]
        self.withdraw(reply)
        reply.fail(self._late(reply))

    def _late(self, reply: Reply) -> DeadlineExceeded:
        return DeadlineExceeded("no answer in time (timeout=, deadline=)", method=reply.method, address=self._address)

    def _fail(self, error: type[RpcError], reason: str) -> None:
        """It is over: everyone who waits is told, once."""
        if self.failure is not None:
            return
        self.failure = partial(error, reason, address=self._address)
        self.ready = False
        self._limit.cancel()
        if self._hello is not None:
            self._hello.cancel()
        self._deadlines.close()
        self._socket.close(_LINGER)
        replies = list(self._replies.values())
        self._replies.clear()
        for reply in replies:
            told = self.failure(method=reply.method)
            told.begun = reply.id <= self._last_sent
            reply.fail(told)
        self.settled.set()
