"""Who waits, in which order."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from sage.admission.passes import Pass

__all__ = ["Line"]


class Line:
    """Higher priority first; within a priority one key after the other; within a key first come, first served.

    ::

        priority 1   ana: ○ ○      the keys take turns: whose turn it was goes to the end
        priority 0   bob: ○        ana: ○ ○ ○
    """

    def __init__(self) -> None:
        # Invariant: no key without a pass, no priority without a key. The first key of a priority has the next turn.
        self._lanes: dict[int, dict[Any, deque[Pass]]] = {}
        self._length = 0
        self._of_key: dict[Any, int] = {}

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Pass]:
        for priority in sorted(self._lanes, reverse=True):
            for waiting in self._lanes[priority].values():
                yield from waiting

    def waiting(self, key: Any) -> int:
        """How many wait on behalf of `key`."""
        return self._of_key.get(key, 0)

    def add(self, joining: Pass) -> None:
        """Join, at the end."""
        self._lanes.setdefault(joining.priority, {}).setdefault(joining.key, deque()).append(joining)
        self._length += 1
        self._of_key[joining.key] = self._of_key.get(joining.key, 0) + 1

    def first(self, may: Callable[[Pass], bool]) -> Pass | None:
        """Whose turn it is, of those that `may` allows; of each key only the first is asked about."""
        for priority in sorted(self._lanes, reverse=True):
            for waiting in self._lanes[priority].values():
                if may(waiting[0]):
                    return waiting[0]
        return None

    def take(self, chosen: Pass) -> None:
        """Remove one whose turn it was: the other keys of its priority come before its key."""
        self.remove(chosen)
        lane = self._lanes.get(chosen.priority, {})
        if chosen.key in lane:
            lane[chosen.key] = lane.pop(chosen.key)

    def remove(self, leaving: Pass) -> None:
        """Remove one that gave up."""
        lane = self._lanes[leaving.priority]
        waiting = lane[leaving.key]
        waiting.remove(leaving)
        if not waiting:
            del lane[leaving.key]
        if not lane:
            del self._lanes[leaving.priority]
        self._length -= 1
        self._of_key[leaving.key] -= 1
        if not self._of_key[leaving.key]:
            del self._of_key[leaving.key]
