"""Many deadlines, one timer.

A timer of the loop for each call would cost more than the call: most are done long before. Here a deadline costs one
entry in a heap, and the loop has one timer, for the first of them.
"""

import asyncio
from collections.abc import Callable, Container
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

__all__ = ["Deadlines"]

K = TypeVar("K")

# Entries of calls that are done are thrown out when the heap has grown to twice what was alive at the last time.
_LEAST_LIMIT = 1024


class Deadlines(Generic[K]):
    """Tells which of the things that are alive have run out of time.

    Args:
        alive: what is still alive; whatever left it is forgotten.
        expired: called with each that is alive at its deadline, in order of the deadlines. It must not raise, and it
            takes the thing out of `alive`, or calls `add` with a new deadline.
    """

    def __init__(self, alive: Container[K], expired: Callable[[K], None]) -> None:
        self._alive = alive
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        # The number keeps the order among equal deadlines, so that keys need no order of their own.
        self._heap: list[tuple[float, int, K]] = []
        self._number = count()
        self._limit = _LEAST_LIMIT
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many entries there are, some of them of things that are no longer alive."""
        return len(self._heap)

    def add(self, when: float, key: K) -> None:
        """Have `key` expire at `when`, a time of the loop's clock."""
        entry = (when, next(self._number), key)
        heap = self._heap
        heappush(heap, entry)
        if heap[0] is entry:
            self._arm(when)
        if len(heap) > self._limit:
            self._forget()

    def close(self) -> None:
        """Forget all of them."""
        self._heap.clear()
        self._disarm()

    def _arm(self, when: float) -> None:
        self._disarm()
        self._timer = self._loop.call_at(when, self._sweep)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        self._timer = None
        heap = self._heap
        now = self._loop.time()
        while heap and (heap[0][0] <= now or heap[0][2] not in self._alive):
            key = heappop(heap)[2]
            if key in self._alive:
                self._expired(key)
        if heap:
            self._arm(heap[0][0])

    def _forget(self) -> None:
        alive = self._alive
        self._heap[:] = [entry for entry in self._heap if entry[2] in alive]
        heapify(self._heap)
        self._limit = max(_LEAST_LIMIT, 2 * len(self._heap))
