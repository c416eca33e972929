"""What is to be said to one peer, gathered until the loop has control again."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sage.transports.codec import Codec, Encoded, FrameWriter
from sage.transports.errors import CodecError
from sage.transports.rpc.wire import ITEMS, MOST_BUFFERS, pack_message, pack_record

__all__ = ["Outbox", "is_plain"]

# Far below what a socket takes in one message, and far above what one turn of the loop has to say as a rule.
_FULL_BYTES: Final = 1 << 18
_FULL_BUFFERS: Final = 64
_FULL_VALUES: Final = 1024

_FIXED: Final = frozenset({int, float, bool, type(None)})
_SHORT: Final = 256


def is_plain(value: Any) -> bool:
    """Whether a value is small, can be carried for certain, and never changes: it may be packed later, with others."""
    kind = type(value)
    return kind in _FIXED or (kind is str and len(value) <= _SHORT and value.isascii())


class Outbox:
    """Turns the records of one turn of the loop into one message: a message costs as much as packing ten small calls.

    Plain values are packed when the message leaves, all at once. Others are packed when they are added, since whoever
    gave them may change them then, and is told of those that cannot be carried.

    Args:
        codec: how values are packed.
        send: called with the parts of each message; it must not wait, and not raise.
    """

    def __init__(self, codec: Codec, send: Callable[[list[Any]], object]) -> None:
        self._codec = codec
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._records: list[bytes] = []
        # Values in order: those that are packed, and behind them plain ones that are not yet.
        self._writer = FrameWriter(codec)
        self._plain: list[Any] = []
        # Who has gathered items of its own, and adds them when the message leaves.
        self._pouring: list[Callable[[], None]] = []
        self._scheduled = False

    def add(self, kind: int, id: int = 0, *, number: int = 0) -> None:
        """Add a record without values."""
        self._records.append(pack_record(kind, 0, 0, 0, 0, id, number))
        if not self._scheduled:
            self._schedule()

    def add_plain(self, kind: int, id: int, value: Any, number: int = 0, window: int = 0, flags: int = 0) -> None:
        """Add a record with a value that is plain, or a list of such values that nobody else has."""
        self._plain.append(value)
        self._records.append(pack_record(kind, flags, 0, 1, window, id, number))
        if not self._scheduled:
            self._schedule()
        if len(self._plain) >= _FULL_VALUES:
            self.flush()

    def add_value(self, kind: int, id: int, value: Any, number: int = 0, window: int = 0, flags: int = 0) -> None:
        """Add a record with any value.

        Raises:
            CodecError: it cannot be carried; nothing was added.
        """
        packed = self._codec.encode(value)
        buffers = len(packed.buffers)
        if buffers or len(packed.body) > _FULL_BYTES:
            self._make_room(packed)
        self._pack_plain()
        self._writer.add(packed)
        self._records.append(pack_record(kind, flags, buffers, 1, window, id, number))
        if not self._scheduled:
            self._schedule()
        if self._writer.nbytes >= _FULL_BYTES:
            self.flush()

    def add_items(self, id: int, items: list[Any]) -> None:
        """Add plain items of a stream, while a message is made to leave."""
        self._plain += items
        self._records.append(pack_record(ITEMS, 0, 0, len(items), 0, id, 0))

    def pour_later(self, pour: Callable[[], None]) -> None:
        """Have `pour` called when the next message leaves, to add what it has gathered until then."""
        self._pouring.append(pour)
        if not self._scheduled:
            self._schedule()

    def flush_behind_others(self) -> None:
        """Flush at the end of the next turn of the loop, behind all that is scheduled now.

        Said when tasks were woken that will have something to say: it then leaves in the very turn in which they run.
        """
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
        if self._writer.items:
            self._pack_plain()
            frame = self._writer.take()
            self._send(pack_message(records, frame.body, frame.buffers))
        elif self._plain:
            values, self._plain = self._plain, []
            self._send(pack_message(records, self._codec.encode_items(values).body))
        else:
            self._send(pack_message(records))

    def _pack_plain(self) -> None:
        if self._plain:
            values, self._plain = self._plain, []
            self._writer.pack_many(values)

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
