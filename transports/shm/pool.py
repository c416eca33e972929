"""Where in a pool of bytes large things lie. Pure: no I/O, no memory of its own."""

from bisect import bisect_left
from typing import Final

__all__ = ["PAGE", "Pool"]

#: Extents begin at pages, and no two share one.
PAGE: Final = 4096


class Pool:
    """Hands out extents, each in one piece, that are given back in any order.

    The first that fits is taken, so that low pages are used again while high ones may never be touched: memory that
    was never written to costs nothing.

    Invariants, checked by property tests: extents do not overlap, and neighbours that are free are one.

    Args:
        start: where the pool begins.
        end: where it ends; both are multiples of `PAGE`.

    Attributes:
        used: how many bytes are taken.
    """

    __slots__ = ("_free", "_taken", "used")

    def __init__(self, start: int, end: int) -> None:
        # What is free, as (start, end), in order.
        self._free: list[tuple[int, int]] = [(start, end)] if start < end else []
        # Where each extent ends, by where it begins.
        self._taken: dict[int, int] = {}
        self.used = 0

    def take(self, length: int) -> int | None:
        """Take an extent of `length` bytes, at least 1; tell where it begins, or `None` if there is no room now."""
        length += -length % PAGE
        for index, (start, end) in enumerate(self._free):
            if end - start >= length:
                self._taken[start] = start + length
                self.used += length
                self._free[index : index + 1] = [(start + length, end)] if start + length < end else []
                return start
        return None

    def give_back(self, start: int) -> None:
        """Give back the extent that begins at `start`.

        Raises:
            ValueError: none does.
        """
        end = self._taken.pop(start, None)
        if end is None:
            raise ValueError(f"an extent at {start} is given back, but none is taken there")
        self.used -= end - start
        free = self._free
        index = bisect_left(free, (start, end))
        first, last = index, index
        if index and free[index - 1][1] == start:
            first, start = index - 1, free[index - 1][0]
        if index < len(free) and free[index][0] == end:
            last, end = index + 1, free[index][1]
        free[first:last] = [(start, end)]
