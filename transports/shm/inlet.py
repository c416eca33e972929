"""The side of a connection that reads items from the memory that the other side has made."""

import asyncio
import ctypes
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from pickle import PickleBuffer
from typing import Any, Final

from sage.transports.codec import Codec, Items, read_frame
from sage.transports.remote.seats import ProtocolError
from sage.transports.shm.messages import FREED, HELD
from sage.transports.shm.segment import Segment
from sage.transports.shm.wire import Wire

__all__ = ["Inlet"]

# Extents told in one message.
_MOST_TOLD: Final = 4096


@lru_cache(maxsize=256)
def _bytes_type(length: int) -> type["ctypes.Array[ctypes.c_ubyte]"]:
    return ctypes.c_ubyte * length


class _Loan(weakref.ref["ctypes.Array[ctypes.c_ubyte]"]):
    """Tells when nobody reads an extent any more."""

    __slots__ = ("start",)

    start: int


class Inlet:
    """Reads frames.

    What lies in the ring is copied out at once, and its room given back. What lies in the pool is read in place:
    whoever looks at it (an array, a view of it, a memoryview) keeps the memory mapped, also when the connection is
    closed, and the extent is given back when the last of them is gone.

    Args:
        wire: the connection.
        segment: the memory, as the other side has passed it.
        codec: how items are read.
    """

    def __init__(self, wire: Wire, segment: Segment, codec: Codec) -> None:
        self._wire = wire
        self._layout = segment.layout
        self._ring_size, self._size = segment.layout
        self._segment = segment
        with memoryview(segment.memory) as whole, whole[: segment.layout.ring] as ring:
            self._ring = ring.toreadonly()
        self._codec = codec
        # Read and not told yet: regions of the ring, and their bytes.
        self._regions = 0
        self._untold = 0
        # Parts that came in pieces, and the one that is coming with how much of it is there.
        self._whole: deque[bytearray] = deque()
        self._part: bytearray | None = None
        self._filled = 0
        # Who reads each extent; given back and not told yet.
        self._loans: dict[int, _Loan] = {}
        self._returned: deque[int] = deque()
        self._telling = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def frame(self, items: int, places: Sequence[int]) -> Items:
        """The items of a frame whose parts lie at these offsets, with these lengths.

        Raises:
            ProtocolError: nothing of the kind can lie there.
            CodecError: it cannot be decoded.
        """
        if len(places) == 2 and places[0] < self._ring_size:  # the usual case
            at, length = places
            content = read_frame(self._codec, self._in_ring(at, length), (), items=items)
            self._read(length)
            return content
        parts: list[Any] = []
        region = 0
        for at, length in zip(places[::2], places[1::2], strict=True):
            if at < self._ring_size:
                parts.append(bytes(self._in_ring(at, length)))
                region += length
            elif at < self._size:
                parts.append(self._in_pool(at, length))
            else:
                parts.append(self._in_pieces(length))
        content = read_frame(self._codec, parts[0], parts[1:], items=items)
        if region:
            self._read(region)
        return content

    def piece(self, at: int, length: int, left: int) -> None:
        """A piece of a large part lies in the ring, and `left` bytes more are to come.

        Raises:
            ProtocolError: it is larger than an item may be, or does not go on where the last piece ended.
        """
        content = self._in_ring(at, length)
        if self._part is None:
            size = length + left
            if size + sum([len(part) for part in self._whole]) > self._codec.max_bytes:
                raise ProtocolError(f"it sends a part of {size:,} bytes; the limit is {self._codec.max_bytes:,}")
            self._part, self._filled = bytearray(size), 0
        if self._filled + length + left != len(self._part):
            raise ProtocolError("it sends pieces that do not fit together")
        self._part[self._filled : self._filled + length] = content
        self._filled += length
        self._read(length)
        if not left:
            self._whole.append(self._part)
            self._part = None

    def all_taken(self) -> None:
        """Tell the other side, which asked: everything was taken, and so it is of no use to wait for what is kept."""
        self._tell_freed()
        self._wire.tell_now(HELD)

    def close(self) -> None:
        """Nobody is told any more; the memory stays mapped while something in it is read."""
        self._loans.clear()
        self._whole.clear()
        self._part = None
        self._ring.release()
        self._segment.close()

    # -- parts -------------------------------------------------------------------------------------------------------

    def _in_ring(self, at: int, length: int) -> memoryview:
        if not 0 < length <= self._ring_size - at:
            raise ProtocolError(f"it points at {length} bytes at {at} of a ring of {self._ring_size}")
        return self._ring[at : at + length]

    def _in_pieces(self, length: int) -> memoryview:
        if not self._whole or len(self._whole[0]) != length:
            raise ProtocolError("it points at pieces that did not come")
        return memoryview(self._whole.popleft()).toreadonly()

    def _in_pool(self, at: int, length: int) -> memoryview:
        if not 0 < length <= self._size - at or at in self._loans:
            raise ProtocolError(f"it points at {length} bytes at {at} of a memory of {self._size}")
        # Every buffer that is made of this object, however it is cut, keeps it alive.
        owner = _bytes_type(length).from_buffer(self._segment.memory, at)
        loan = self._loans[at] = _Loan(owner, self._give_back)
        loan.start = at
        return PickleBuffer(owner).raw().toreadonly()

    # -- giving back -------------------------------------------------------------------------------------------------

    def _read(self, length: int) -> None:
        """A region of the ring has been read. That is told when it is worth a message."""
        self._regions += 1
        self._untold += length
        if self._untold > self._layout.untold:
            self._tell_freed()

    def _give_back(self, loan: _Loan) -> None:
        """Nobody reads an extent any more. Called by whoever drops the last reference, in any thread, at any point."""
        start = loan.start
        if self._loans.pop(start, None) is None:
            return
        self._returned.append(start)
        if self._telling:
            return
        self._telling = True
        try:
            if threading.get_ident() == self._thread:
                self._loop.call_soon(self._tell_returned)
            else:
                self._loop.call_soon_threadsafe(self._tell_returned)
        except RuntimeError:  # the loop is closed, and with it the connection: there is nobody to tell
            self._loans.clear()

    def _tell_returned(self) -> None:
        self._telling = False
        self._tell_freed()

    def _tell_freed(self) -> None:
        while self._regions or self._returned:
            extents = [self._returned.popleft() for _ in range(min(len(self._returned), _MOST_TOLD))]
            self._wire.tell_now(FREED, self._regions, *extents)
            self._regions = self._untold = 0
