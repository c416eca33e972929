"""Messages over a connected socket, driven by the loop. Nothing here waits and nothing is polled."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from msgpack.exceptions import UnpackException

from sage.transports.errors import CodecError
from sage.transports.remote.seats import ProtocolError
from sage.transports.shm.messages import REFUSED, checked, packed

__all__ = ["Wire", "WireEvents"]

# Enough for a thousand messages.
_READ_BYTES: Final = 1 << 14
# How long, in seconds, to work on messages before the loop's other users get their turn.
_SLICE: Final = 0.001
_NOTHING: Final = object()
# So many messages wait to be handled at most while more are read ahead.
_MOST_AHEAD: Final = 256
# Characters of the reason that the other side is told.
_LONGEST_REASON: Final = 1000


class WireEvents(Protocol):
    """What a wire tells."""

    def received(self, kind: int, numbers: tuple[int, ...]) -> None:
        """A message came; `numbers` begins with its kind.

        Raises:
            ProtocolError, CodecError: it must not come now, or cannot be read. The connection is given up for it.
        """

    def gone(self, reason: str) -> None:
        """The other side is gone or was given up, behind all that came from it. The wire is closed; told once."""


class Wire:
    """One connection after the greeting.

    Args:
        sock: the socket, which the wire owns from now on; it does not block.
        unpacker: what splits its bytes, with what came behind the greeting.
    """

    __slots__ = (
        "_ahead",
        "_blocked",
        "_events",
        "_fault",
        "_flushed",
        "_flushing",
        "_loop",
        "_out",
        "_sock",
        "_unpacker",
        "_working",
        "closed",
    )

    def __init__(self, sock: socket.socket, unpacker: Any) -> None:
        self._sock = sock
        self._unpacker = unpacker
        self._loop = asyncio.get_running_loop()
        self._events: WireEvents | None = None
        # What is to be written.
        self._out = bytearray()
        # Whether a flush is scheduled; whether the loop tells when there is room to write.
        self._flushing = False
        self._blocked = False
        # Who waits until all is written.
        self._flushed: asyncio.Future[None] | None = None
        # Messages are left that came in an earlier turn.
        self._working = False
        # What was read ahead, and what is wrong behind it.
        self._ahead: deque[tuple[int, ...]] = deque()
        self._fault: ProtocolError | None = None
        self.closed = False

    def start(self, events: WireEvents) -> None:
        """Tell what comes to `events`, from the next turn of the loop on."""
        self._events = events
        self._loop.add_reader(self._sock.fileno(), self._readable)
        self._working = True
        self._loop.call_soon(self._work)

    # -- writing -----------------------------------------------------------------------------------------------------

    def tell(self, *message: int) -> None:
        """Send a message, together with others of this turn of the loop."""
        if self.closed:
            return
        self._out += packed(message)
        if not (self._flushing or self._blocked):
            self._flushing = True
            self._loop.call_soon(self._flush_later)

    def tell_now(self, *message: int) -> None:
        """Send a message, and with it what waits to be sent, at once if the socket takes it."""
        if self.closed:
            return
        content = packed(message)
        if not self._out:  # the usual case
            try:
                content = content[self._sock.send(content) :]
            except BlockingIOError:
                pass
            except OSError:  # see `_flush`
                return
        if content:
            self._out += content
            if not self._blocked:
                self._flush()

    async def flushed(self) -> None:
        """Wait until the kernel has all that was told, or the wire is closed. One task at a time may wait.

        Cancel safety: nothing is lost by it.
        """
        self._flush()
        if self._blocked:
            self._flushed = self._loop.create_future()
            await self._flushed

    def close(self) -> None:
        """Close the connection; what was told and could not be written yet is lost. Closing twice is harmless."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._sock.fileno())
            self._unblock()
            self._sock.close()

    def _flush_later(self) -> None:
        self._flushing = False
        if not self._blocked:
            self._flush()

    def _flush(self) -> None:
        if self.closed or not self._out:
            return
        try:
            written = self._sock.send(self._out)
        except BlockingIOError:
            written = 0
        except OSError:  # it is gone: the reader tells that, behind all that has come
            self._out.clear()
            self._unblock()
            return
        if written == len(self._out):
            self._out.clear()
            self._unblock()
        else:
            del self._out[:written]
            if not self._blocked:
                self._blocked = True
                self._loop.add_writer(self._sock.fileno(), self._flush)

    def _unblock(self) -> None:
        if self._blocked:
            self._blocked = False
            self._loop.remove_writer(self._sock.fileno())
        if self._flushed is not None and not self._flushed.done():
            self._flushed.set_result(None)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        if self._working:  # that comes first: what is read waits in the kernel
            return
        try:
            content = self._sock.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._give_up(f"its connection broke: {error.strerror}")
            return
        if not content:
            self._give_up("it closed its connection, or its process ended")
            return
        self._work(content)

    def _work(self, content: bytes = b"") -> None:
        """Handle messages until none is left or it is the turn of others."""
        self._working = False
        events = self._events
        assert events is not None, "a wire is read once it is started"
        deadline = self._loop.time() + _SLICE
        try:
            self._feed(content)
            while not self.closed and (message := self._next()) is not None:
                events.received(message[0], message)
                if self._loop.time() > deadline:
                    self._working = True
                    self._loop.call_soon(self._work)
                    break
        except (ProtocolError, CodecError, MemoryError) as error:
            reason = str(error) or "there is no memory for what it sends"
            self.refuse(reason)
            events.gone(reason)

    def read_ahead(self, kind: int, handle: Callable[[tuple[int, ...]], None]) -> None:
        """Handle messages of a kind that have come, although it is not their turn. All others keep their order.

        What is wrong with them, or with the connection, is told in its turn.

        Args:
            kind: of messages that may overtake others.
            handle: called with each of them; it may raise `ProtocolError`.
        """
        if self.closed or self._fault or len(self._ahead) >= _MOST_AHEAD:
            return
        try:
            content = self._sock.recv(_READ_BYTES)
        except OSError:  # nothing has come; or it broke, and whoever reads next finds the end
            return
        try:
            self._feed(content)
            while (message := self._unpacked()) is not None:
                if message[0] == kind:
                    handle(message)
                else:
                    self._ahead.append(message)
        except ProtocolError as error:
            self._fault = error
        if (self._ahead or self._fault) and not self._working:
            self._working = True
            self._loop.call_soon(self._work)

    def _feed(self, content: bytes) -> None:
        try:
            self._unpacker.feed(content)
        except UnpackException as error:  # what came of one message is more than a message may have
            raise ProtocolError(f"it sent bytes that are no message: {error!r:.100}") from error

    def _next(self) -> tuple[int, ...] | None:
        if self._ahead:
            return self._ahead.popleft()
        if self._fault:
            raise self._fault
        return self._unpacked()

    def _unpacked(self) -> tuple[int, ...] | None:
        try:
            message = next(self._unpacker, _NOTHING)
        except (ValueError, UnpackException) as error:
            raise ProtocolError(f"it sent bytes that are no message: {error!r:.100}") from error
        return None if message is _NOTHING else checked(message)

    def refuse(self, reason: str) -> None:
        """Tell the other side why it is given up, and close."""
        if self.closed:
            return
        self._out += packed((REFUSED, reason[:_LONGEST_REASON]))
        if not self._blocked:
            self._flush()
        self.close()

    def _give_up(self, reason: str) -> None:
        self.close()
        if self._events is not None:
            self._events.gone(reason)
