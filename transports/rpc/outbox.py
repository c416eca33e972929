"""What is to be said to one peer, gathered until the loop has control again."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sage.transports.codec import Codec, Encoded, FrameWriter
from sage.transports.errors import CodecError
from sage.transports.rpc.wire import HEAD, ITEMS, MOST_BUFFERS, pack_record

__all__ = ["Outbox"]

# Far below what a socket takes in one message, and far above what one turn of the loop has to say as a rule.
_FULL_BYTES: Final = 1 << 18
_FULL_BUFFERS: Final = 64


class Outbox:
    """Turns the records of one turn of the loop into one message: a message costs as much as packing ten small calls.

    Args:
        codec: how items of streams are packed.
        send: called with the parts of each message; it must not wait, and not raise.
    """

    def __init__(self, codec: Codec, send: Callable[[list[Any]], object]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._records: list[bytes] = []
        self._writer = FrameWriter(codec)
        # Who has gathered items of its own, and adds them when the message leaves.
        self._pouring: list[Callable[[], None]] = []
        self._scheduled = False

    def add(self, kind: int, id: int = 0, *, number: int = 0, window: int = 0, flags: int = 0) -> None:
        """Add a record without values."""
        self._records.append(pack_record(kind, flags, 0, 0, window, id, number))
        if not self._scheduled:
            self._schedule()

    def add_value(
        self, kind: int, id: int, packed: Encoded, number: int = 0, window: int = 0, flags: int = 0
    ) -> None:
        """Add a record with one value, packed by `Codec.encode`.

        Raises:
            CodecError: it has more buffers than a record can tell of; nothing was added.
        """
        buffers = len(packed.buffers)
        if buffers or len(packed.body) > _FULL_BYTES:
            self._make_room(packed)
        self._writer.add(packed)
        self._records.append(pack_record(kind, flags, buffers, 1, window, id, number))
        if not self._scheduled:
            self._schedule()
        if self._writer.nbytes >= _FULL_BYTES:
            self.flush()

    def add_items(self, id: int, items: list[Any]) -> None:
        """Add items of a stream, not packed yet.

        Raises:
            CodecError: one of them cannot be carried; none was added.
        """
        before = self._writer.buffers
        self._writer.pack_many(items)
        self._records.append(pack_record(ITEMS, 0, self._writer.buffers - before, len(items), 0, id, 0))

    def pour_later(self, pour: Callable[[], None]) -> None:
        """Have `pour` called when the next message leaves, to add what it has gathered until then."""
        self._pouring.append(pour)
        if not self._scheduled:
            self._schedule()

    def flush(self) -> None:
        """Send what is there now."""
        if self._pouring:
            pouring, self._pouring = self._pouring, []
            for pour in pouring:
                pour()
        if not self._records:
            return
        records, self._records = self._records, []
        head = HEAD + b"".join(records)
        if self._writer.items:
            frame = self._writer.take()
            self._send([head, frame.body, *frame.buffers])
        else:
            self._send([head, b""])

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self._flush_later)

    def _flush_later(self) -> None:
        self._scheduled = False
        self.flush()

    def _make_room(self, packed: Encoded) -> None:
        """Large values leave by themselves, lest several of them are too much for one message."""
        buffers = len(packed.buffers)
        if buffers > MOST_BUFFERS:
            raise CodecError(f"it holds {buffers} large arrays; send at most {MOST_BUFFERS} at once")
        size = len(packed.body) + sum([buffer.nbytes for buffer in packed.buffers])
        if self._writer.nbytes + size >= _FULL_BYTES or self._writer.buffers + buffers > _FULL_BUFFERS:
            self.flush()
