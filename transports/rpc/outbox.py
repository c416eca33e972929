"""What is to be said to one peer, gathered until the loop has control again."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sage.transports.codec import Codec, array_header
from sage.transports.errors import CodecError
from sage.transports.rpc.wire import ITEMS, MOST_BUFFERS, pack_message, pack_record

__all__ = ["Outbox", "is_plain"]

# Far below what a socket takes in one message, and far above what one turn of the loop has to say as a rule.
_FULL_BYTES: Final = 1 << 18
_FULL_BUFFERS: Final = 64
# A message costs as much as two small calls. One with so many records is on its way while the next one is made: with
# all of them in one, either side would wait while the other one works.
_FULL_RECORDS: Final = 32
# Bytes are counted of values from here on: that many smaller ones are no full message.
_COUNTED: Final = _FULL_BYTES // _FULL_RECORDS

# What precedes the values in a body: they have no sizes.
_BODY: Final = b"\x92\xc0"

_FIXED: Final = frozenset({int, float, bool, type(None)})
_SHORT: Final = 256


def is_plain(value: Any) -> bool:
    """Whether a value is small, can be carried for certain, and never changes: it may be packed later, with others."""
    kind = type(value)
    return (kind is str and len(value) <= _SHORT and value.isascii()) or kind in _FIXED


class Outbox:
    """Turns the records of one turn of the loop into few messages.

    Values are packed when they are added, since whoever gave them may change them then, and is told of those that
    cannot be carried.

    Args:
        codec: how values are packed.
        send: called with the parts of each message; it must not wait, and not raise.

    Attributes:
        scheduled: whether what is here leaves by itself, once the loop has control.
    """

    __slots__ = (
        "_buffers",
        "_encoder",
        "_loop",
        "_more",
        "_nbytes",
        "_pouring",
        "_records",
        "_send",
        "_values",
        "scheduled",
    )

    def __init__(self, codec: Codec, send: Callable[[list[Any]], object]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._encoder = codec.new_encoder()
        # Who has gathered items of its own, and adds them when the message leaves.
        self._pouring: list[Callable[[], None]] = []
        self.scheduled = False
        self._clear()

    def _clear(self) -> None:
        self._records: list[bytes] = []
        # The values of the records, in order; some pieces have several: how many more that are.
        self._values: list[bytes | memoryview] = []
        self._more = 0
        # The bytes of large ones, and what they have beside.
        self._nbytes = 0
        self._buffers: list[Any] = []

    def add(self, kind: int, id: int = 0, *, number: int = 0) -> None:
        """Add a record without values."""
        self._records.append(pack_record(kind, 0, 0, 0, 0, id, number))
        if not self.scheduled:
            self.flush_behind_others()

    def add_value(
        self, kind: int, id: int, value: Any, number: int = 0, window: int = 0, flags: int = 0, *, alone: bool = False
    ) -> None:
        """Add a record with a value. If it is `alone`, with nothing to be expected beside it, it leaves at once.

        Raises:
            CodecError: the value cannot be carried; nothing was added.
        """
        encoder = self._encoder
        packed = encoder.encode_value(value)
        buffers = self._add_large(len(packed)) if encoder.beside or len(packed) >= _COUNTED else 0
        records = self._records
        self._values.append(packed)
        records.append(pack_record(kind, flags, buffers, 1, window, id, number))
        if alone or len(records) >= _FULL_RECORDS or self._nbytes >= _FULL_BYTES:
            self.flush()
        elif not self.scheduled:
            self.flush_behind_others()

    def add_items(self, id: int, items: list[Any]) -> None:
        """Add plain items of a stream, while a message is made to leave."""
        count = len(items)
        packed = memoryview(self._encoder.encode_value(items))[len(array_header(count)) :]
        self._values.append(packed)
        self._more += count - 1
        self._records.append(pack_record(ITEMS, 0, 0, count, 0, id, 0))

    def pour_later(self, pour: Callable[[], None]) -> None:
        """Have `pour` called when the next message leaves, to add what it has gathered until then."""
        self._pouring.append(pour)
        if not self.scheduled:
            self.flush_behind_others()

    def flush_behind_others(self) -> None:
        """Flush at the end of the next turn of the loop, behind all that is scheduled now.

        Said also when tasks were woken that will have something to say: it then leaves in the turn in which they run.
        """
        if not self.scheduled:
            self.scheduled = True
            self._loop.call_soon(self._flush_later)

    def flush(self) -> None:
        """Send what is there now."""
        if self._pouring:
            pouring, self._pouring = self._pouring, []
            for pour in pouring:
                pour()
        if not self._records:
            return
        records, values, buffers = self._records, self._values, self._buffers
        body = b"".join((_BODY, array_header(len(values) + self._more), *values)) if values else b""
        self._clear()
        self._send(pack_message(records, body, buffers))

    def _flush_later(self) -> None:
        self.scheduled = False
        self.flush()

    def _add_large(self, size: int) -> int:
        """Make room for a value of `size` bytes, without its buffers; return how many those are.

        It leaves by itself, lest several are too much for one message.
        """
        beside = self._encoder.take_beside()
        buffers, nbytes = len(beside), sum([buffer.nbytes for buffer in beside], size)
        if buffers > MOST_BUFFERS:
            raise CodecError(f"it holds {buffers} large arrays; send at most {MOST_BUFFERS} at once")
        if self._nbytes + nbytes >= _FULL_BYTES or len(self._buffers) + buffers > _FULL_BUFFERS:
            self.flush()
        self._buffers += beside
        self._nbytes += nbytes
        return buffers
