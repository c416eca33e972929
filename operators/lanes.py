"""Who is next, when records of many calls wait for the same places.

The records of a call wait in a lane of their own, those of the plain stream in another; lanes are served in turn. So a
call with one record does not wait behind the thousand of another. Lanes with a higher priority go first, and among
those of one priority, keys (tenants) get equal shares, however many calls each has::

    priority 5:   key a: ( lane, lane )    key b: ( lane )
    priority 0:   key None: ( plain lane, lane, lane )
"""

from collections import OrderedDict, deque
from typing import Any

from sage.operators.calls import Call

__all__ = ["Lane", "Lanes"]


class Lane:
    """The records of one call, or of the plain stream, in an operator that runs functions beside each other."""

    __slots__ = ("call", "crowded", "held", "line", "queued", "records", "running", "told", "waiting")

    def __init__(self, call: Call | None) -> None:
        self.call = call
        #: Records that have not started.
        self.waiting: deque[Any] = deque()
        #: What is to be given out: in an ordered operator all records, oldest first; else those with results.
        self.line: deque[Any] = deque()
        #: Records whose function runs now; of a call only.
        self.running: set[Any] = set()
        #: How many records are here in all; of a call only.
        self.records = 0
        #: How many results wait to be collected.
        self.held = 0
        #: Whether it stands in `Lanes`.
        self.queued = False
        #: Whether it is among those to be collected.
        self.told = False
        #: Whether its call was told that there is a crowd.
        self.crowded = False


class Lanes:
    """Lanes in which something waits, in the order in which they are served.

    Args:
        limit: how many results of a lane may wait to be collected; nothing more of it starts then, until it is pushed
            again.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        #: How many records wait in all lanes.
        self.waiting = 0
        # The one lane there is, where there is only one: the usual case.
        self._sole: Lane | None = None
        # By priority, then by key, in turn.
        self._levels: dict[int, OrderedDict[Any, deque[Lane]]] = {}
        # Priorities, lowest first.
        self._order: list[int] = []

    def __bool__(self) -> bool:
        return self._sole is not None or bool(self._order)

    def add(self, lane: Lane, records: list[Any]) -> None:
        """Have records wait in a lane."""
        lane.waiting.extend(records)
        self.waiting += len(records)
        if not lane.queued:
            self.push(lane)

    def drop(self, lane: Lane) -> list[Any]:
        """Take all that waits out of a lane."""
        records = list(lane.waiting)
        lane.waiting.clear()
        self.waiting -= len(records)
        return records

    def push(self, lane: Lane) -> None:
        """Put a lane at the end of its line. It has something waiting, and is not here yet."""
        lane.queued = True
        sole, self._sole = self._sole, None
        if sole is not None:
            self._file(sole)
        elif not self._order:
            self._sole = lane
            return
        self._file(lane)

    def take(self) -> Any:
        """Take the record whose turn it is; `None` if there is none that may start."""
        lane = self._sole
        if lane is None or lane.held >= self._limit or len(lane.waiting) < 2:
            return self._take_in_turn()
        self.waiting -= 1
        return lane.waiting.popleft()

    def _take_in_turn(self) -> Any:
        while (lane := self._sole or self._first()) is not None:
            if not lane.waiting or lane.held >= self._limit:
                self._sole = None
                lane.queued = False
                continue
            record = lane.waiting.popleft()
            self.waiting -= 1
            if lane is self._sole:
                if not lane.waiting:
                    self._sole = None
                    lane.queued = False
            elif lane.waiting:
                self._file(lane)
            else:
                lane.queued = False
            return record
        return None

    def _file(self, lane: Lane) -> None:
        call = lane.call
        priority, key = (0, None) if call is None else (call.priority, call.key)
        level = self._levels.get(priority)
        if level is None:
            level = self._levels[priority] = OrderedDict()
            self._order = sorted(self._levels)
        lanes = level.get(key)
        if lanes is None:
            level[key] = deque([lane])
        else:
            lanes.append(lane)

    def _first(self) -> Lane | None:
        if not self._order:
            return None
        priority = self._order[-1]
        level = self._levels[priority]
        key, lanes = next(iter(level.items()))
        lane = lanes.popleft()
        if lanes:
            level.move_to_end(key)
        else:
            del level[key]
            if not level:
                del self._levels[priority]
                self._order.pop()
        return lane
