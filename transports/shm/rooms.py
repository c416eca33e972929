"""Extents of a pool that whoever sends fills where they lie, so that nothing is copied."""

import ctypes
import weakref
from collections import deque
from pickle import PickleBuffer
from typing import Any

from sage.transports.shm.pool import Pool
from sage.transports.shm.segment import Segment

__all__ = ["Rooms"]


class _Room(weakref.ref["ctypes.Array[ctypes.c_ubyte]"]):
    """Tells when nobody here looks at an extent any more."""

    __slots__ = ("length", "start")

    length: int
    start: int


class Rooms:
    """Lends extents to be filled, and knows them again when they are sent.

    A room has two holders: whoever looks at it here, and the reader while it is under way. It goes back to the pool
    when neither of them has it.

    Args:
        segment: the memory.
        pool: its pool.
    """

    def __init__(self, segment: Segment, pool: Pool) -> None:
        self._segment = segment
        self._pool = pool
        self._address = _address_of(segment.memory)
        # Those that somebody here looks at, by where they begin.
        self._lent: dict[int, _Room] = {}
        # Where those begin that the reader has.
        self._under_way: set[int] = set()
        # Where those begin that nobody here looks at any more, until that is noticed.
        self._left: deque[int] = deque()

    def lend(self, length: int) -> memoryview | None:
        """A room of `length` bytes, at least 1, to be written to; `None` if there is no place now.

        It is lent as long as the view, or anything that was made of it, is there.
        """
        self.tidy()
        start = self._pool.take(length)
        if start is None:
            return None
        # Every buffer that is made of this object, however it is cut, keeps it alive.
        owner = (ctypes.c_ubyte * length).from_buffer(self._segment.memory, start)
        room = self._lent[start] = _Room(owner, self._leave)
        room.start, room.length = start, length
        return PickleBuffer(owner).raw()

    def send(self, buffer: Any) -> int | None:
        """Where the buffer begins, if it is a room, or the beginning of one; from now on, that is under way.

        `None` for all other memory, and for a room that is under way already.
        """
        if not self._lent:
            return None
        view = memoryview(buffer)
        if view.readonly or not view.nbytes:
            return None
        start = _address_of(view) - self._address
        room = self._lent.get(start)
        if room is None or view.nbytes > room.length or start in self._under_way:
            return None
        self._under_way.add(start)
        return start

    def give_back(self, start: int) -> None:
        """The reader, or whoever took an extent of the pool itself, gives back what begins there.

        Raises:
            ValueError: nothing is under way there.
        """
        if start in self._under_way:
            self._under_way.remove(start)
            if start in self._lent:
                return
        elif start in self._lent:
            raise ValueError(f"an extent at {start} is given back, but it was not sent")
        self._pool.give_back(start)

    def tidy(self) -> None:
        """Give back to the pool what nobody has any more."""
        while self._left:
            start = self._left.popleft()
            del self._lent[start]
            if start not in self._under_way:
                self._pool.give_back(start)

    def _leave(self, room: _Room) -> None:
        """Nobody here looks at it any more. Called by whoever drops the last reference, in any thread, at any point."""
        self._left.append(room.start)


def _address_of(memory: Any) -> int:
    return ctypes.addressof(ctypes.c_ubyte.from_buffer(memory))
