"""What an end has taken and not given back. Pure: no I/O, no loop."""

from collections import deque

__all__ = ["Ledger"]


class Ledger:
    """Items that were taken, and how many of their places are free again; the oldest are freed first.

    Args:
        whole: tell of places only together with the item whose last place is freed. Who keeps items for the death of
            this end needs it so.

    Attributes:
        held: places that are taken and not freed.
    """

    __slots__ = ("_items", "_part", "_places", "_runs", "_whole", "held")

    def __init__(self, whole: bool) -> None:
        self.held = 0
        self._whole = whole
        # Items of equal size, one behind the other: [how many, size].
        self._runs: deque[list[int]] = deque()
        # Freed places of the oldest item.
        self._part = 0
        # Done and not told.
        self._items = 0
        self._places = 0

    def take(self, items: int, size: int) -> None:
        """Take `items` of `size` places each."""
        runs = self._runs
        if not (runs or size):  # a mark holds nothing that could be freed later
            self._items += items
        elif runs and runs[-1][1] == size:
            runs[-1][0] += items
        else:
            runs.append([items, size])
        self.held += items * size

    def pass_on(self, size: int) -> None:
        """Take one item and free as many places."""
        if self._runs:
            self.take(1, size)
            self.release(size)
        else:
            self._items += 1
            self._places += size

    def release(self, places: int) -> None:
        """Free places.

        Raises:
            ValueError: more are freed than are taken.
        """
        if not 0 <= places <= self.held:
            raise ValueError(f"{places} places are given back, but {self.held} are taken: release each record once")
        self.held -= places
        self._part += places
        freed = 0
        while self._runs and (run := self._runs[0])[1] <= self._part:
            items, size = run
            done = min(items, self._part // size) if size else items
            self._part -= done * size
            self._items += done
            freed += done * size
            if done == items:
                self._runs.popleft()
            else:
                run[0] -= done
        self._places += freed if self._whole else places

    def told(self) -> tuple[int, int]:
        """Items that are done, and places that are free, since this was last asked."""
        news = self._items, self._places
        self._items = self._places = 0
        return news
