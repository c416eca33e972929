"""What waits in a queue: items in order, each with the number of records that it holds.

Where records are put one by one, each item holds one, and nothing is kept about that: values go through as they come,
many at a time.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Generic, TypeVar

__all__ = ["Backlog"]

T = TypeVar("T")


class Backlog(Generic[T]):
    """Two columns: items, and their sizes in records.

    Attributes:
        values: the items, oldest first. Who looks only whether there are any looks here.
        sizes: the size of each; `None` while all are 1.
    """

    __slots__ = ("sizes", "values")

    def __init__(self) -> None:
        self.values: deque[T] = deque()
        self.sizes: deque[int] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[T, int]]:
        return zip(self.values, repeat(1) if self.sizes is None else self.sizes, strict=False)

    def append(self, item: T, size: int) -> None:
        """Add an item."""
        sizes = self.sizes
        if sizes is not None:
            sizes.append(size)
        elif size != 1:
            self._each_size().append(size)
        self.values.append(item)

    def extend(self, items: Sequence[T], sizes: Sequence[int] | None) -> None:
        """Add items; without `sizes`, each of them holds one record."""
        if not self.values:
            self.sizes = None  # those that were not 1 have gone
        if sizes is not None:
            self._each_size().extend(sizes)
        elif self.sizes is not None:
            self.sizes.extend(repeat(1, len(items)))
        self.values.extend(items)

    def put_back(self, taken: Iterable[tuple[T, int]]) -> None:
        """Put items that were taken, in this order, before those that are there."""
        for item, size in reversed([*taken]):
            if size != 1 or self.sizes is not None:
                self._each_size().appendleft(size)
            self.values.appendleft(item)

    def take_one(self) -> tuple[T, int]:
        """Take the oldest item; there must be one. Return it with its size."""
        sizes = self.sizes
        return self.values.popleft(), 1 if sizes is None else sizes.popleft()

    def take_some(self, most: int) -> tuple[list[T], int]:
        """Take up to `most` of the oldest items. Return them, and how many records they hold together."""
        values, sizes = self.values, self.sizes
        if most >= len(values):
            taken, of_each = self.take_all()
            return taken, len(taken) if of_each is None else sum(of_each)
        taken = [values.popleft() for _ in range(most)]
        return taken, most if sizes is None else sum([sizes.popleft() for _ in range(most)])

    def take_all(self) -> tuple[list[T], list[int] | None]:
        """Take all items. Return them, and their sizes if they are not all 1."""
        taken = list(self.values)
        self.values.clear()
        if self.sizes is None:
            return taken, None
        sizes = list(self.sizes)
        self.sizes.clear()
        return taken, sizes

    def clear(self) -> int:
        """Drop all items; return how many records they held."""
        return self.take_some(len(self.values))[1]

    def _each_size(self) -> "deque[int]":
        """The sizes, now that one is needed that is not 1."""
        if self.sizes is None:
            self.sizes = deque(repeat(1, len(self.values)))
        return self.sizes
