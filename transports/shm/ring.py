"""Where in a ring of bytes to write. Pure: no I/O, no memory of its own."""

from collections import deque
from typing import Final

__all__ = ["LINE", "Ring"]

#: Regions begin at cache lines, so that two processes that work on neighbours do not hinder each other.
LINE: Final = 64


class Ring:
    """Hands out regions of a ring, each in one piece, that are given back in the order in which they were taken.

    ::

        0                tail                head            size
        ├─────────────────┼───────────────────┼────────────────┤
          free              regions, oldest     free, or skipped by a region
                            on the left         that does not fit before the end

    Invariants, checked by property tests: regions do not overlap; a ring in which nothing is taken has room for any
    region of up to `size` bytes.

    Args:
        size: how many bytes the ring has, a multiple of `LINE`.
    """

    __slots__ = ("_head", "_regions", "_used", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._head = 0
        # Bytes taken, those that were skipped included.
        self._used = 0
        # How many of them each region accounts for, oldest first.
        self._regions: deque[int] = deque()

    def take(self, length: int) -> int | None:
        """Take a region of `length` bytes, at least 1; tell where it begins, or `None` if there is no room now."""
        length += -length % LINE
        # An empty ring starts anew at its beginning: what was used last is still in the caches.
        at = self._head if self._used else 0
        skipped = 0
        if at + length > self.size:
            skipped, at = self.size - at, 0
        if self._used + skipped + length > self.size:
            return None
        self._regions.append(skipped + length)
        self._used += skipped + length
        self._head = at + length
        return at

    def give_back(self, count: int) -> None:
        """Give back the `count` oldest regions.

        Raises:
            ValueError: so many are not taken.
        """
        if not 0 <= count <= len(self._regions):
            raise ValueError(f"{count} regions are given back, but {len(self._regions)} are taken")
        for _ in range(count):
            self._used -= self._regions.popleft()
