"""How many calls run at once, and how many wait, without any I/O.

::

    enter ── a place is free ──────────────▶ running ── leave ──▶
      │                                      ▲     │
      ├─ room in the line ──▶ waiting ───────┤     └─ step_aside (waits for its reader)
      │                          │           │               │
      └─ refused                 └ withdraw  └──── returning ◀┘ step_back

Whoever steps back in goes before those who never ran. The places are never overrun.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Admission"]

K = TypeVar("K", bound=Hashable)


class Admission(Generic[K]):
    """The places of one server.

    Args:
        max_concurrency: how many run at once, at least 1; `None` for no bound.
        max_queue: how many wait for a place, at least 0; `None` for no bound.

    Raises:
        ValueError: a bound that cannot be.
    """

    def __init__(self, max_concurrency: int | None = None, max_queue: int | None = None) -> None:
        if max_concurrency is not None and max_concurrency < 1:
            raise ValueError(f"max_concurrency: at least 1 call has to run, not {max_concurrency}; None for no bound")
        if max_queue is not None and max_queue < 0:
            raise ValueError(f"max_queue: {max_queue} calls cannot wait; 0 or more, None for no bound")
        self._most = float("inf") if max_concurrency is None else max_concurrency
        self._longest = float("inf") if max_queue is None else max_queue
        #: how many run
        self.running = 0
        self._line: OrderedDict[K, Callable[[], None]] = OrderedDict()
        self._returning: OrderedDict[K, Callable[[], None]] = OrderedDict()
        self._granting = False

    @property
    def waiting(self) -> int:
        """How many wait that have not run yet."""
        return len(self._line)

    def try_enter(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        if self.running >= self._most or self._line or self._returning:
            return False
        self.running += 1
        return True

    def stand_in_line(self, key: K, start: Callable[[], None]) -> bool:
        """Wait for a place; `start` is called with the place taken. Tell whether there was room in the line."""
        if len(self._line) >= self._longest:
            return False
        self._line[key] = start
        return True

    def step_back(self, key: K, go_on: Callable[[], None]) -> None:
        """Take a place again after `leave`, now or before everyone who never ran; then `go_on` is called."""
        self._returning[key] = go_on
        self._grant()

    def withdraw(self, key: K) -> bool:
        """Wait no longer; tell whether it did. Whoever did not has a place, and gives it back by `leave`."""
        return self._line.pop(key, None) is not None or self._returning.pop(key, None) is not None

    def leave(self) -> None:
        """Give a place back; whoever waits first is started."""
        self.running -= 1
        if self._line or self._returning:
            self._grant()

    def _grant(self) -> None:
        if self._granting:  # a start that is over at once leaves again: the loop below goes on, without recursion
            return
        self._granting = True
        try:
            while self.running < self._most and (line := self._returning or self._line):
                _, start = line.popitem(last=False)
                self.running += 1
                start()
        finally:
            self._granting = False
