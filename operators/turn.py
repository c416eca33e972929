"""A share of time in each turn of the event loop, for several tasks together.

Tasks whose work never suspends would hold the loop. Those that share a `Turn` note when a piece of work begins. Did it
end in the same turn, then it did not suspend, and the task asks whether the share is used up before it goes on::

    while True:
        if stayed and turn.used_up():
            await turn.rest()       # and ask again
            continue
        number = turn.begin()
        ...                         # a piece of work
        stayed = turn.number == number

Who rests is woken in order, and no more at a time than twice as many as got through in the turn before: to wake all of
them would cost more than their work when there are many.
"""

import asyncio
from collections import deque
from time import perf_counter

__all__ = ["Turn"]


class Turn:
    """The turn of the loop that is going on.

    Args:
        budget: seconds of work in one turn.
    """

    __slots__ = ("_budget", "_ends", "_loop", "_passed", "_passing", "_resting", "begun", "number")

    def __init__(self, budget: float) -> None:
        #: Changes from one turn to the next, if anything has begun in it.
        self.number = 0
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        #: Whether anything has begun in the turn that is going on.
        self.begun = False
        # When the share is used up; `None` before anybody has asked.
        self._ends: float | None = None
        # How many were told in this turn that it is not.
        self._passed = 0
        # Those that let turns go by: the turn in which they began, and who waits.
        self._passing: tuple[int, list[asyncio.Future[None]]] | None = None
        self._resting: deque[asyncio.Future[None]] = deque()

    def begin(self) -> int:
        """A piece of work begins; return the number of the turn."""
        if not self.begun:
            self.begun = True
            self._loop.call_soon(self._next)
        return self.number

    def used_up(self) -> bool:
        """Whether to rest before the next piece of work."""
        ends = self._ends
        if ends is None:
            self.begin()
            self._ends = perf_counter() + self._budget
        elif perf_counter() >= ends:
            return True
        self._passed += 1
        return False

    async def rest(self) -> None:
        """Wait for a later turn.

        Cancel safety: nothing is lost.
        """
        self.begin()  # so that there is a next turn
        resting = self._loop.create_future()
        self._resting.append(resting)
        await resting

    async def pass_by(self, turns: int) -> None:
        """Let so many turns of the loop go by. All who begin in the same turn wait together.

        Cancel safety: nothing is lost.
        """
        number = self.begin()
        if self._passing is None or self._passing[0] != number:
            self._passing = number, []
            self._loop.call_soon(self._go_by, turns - 1, self._passing[1])
        passed = self._loop.create_future()
        self._passing[1].append(passed)
        await passed

    def _go_by(self, turns: int, waiting: "list[asyncio.Future[None]]") -> None:
        if turns:
            self._loop.call_soon(self._go_by, turns - 1, waiting)
            return
        for passed in waiting:
            if not passed.done():
                passed.set_result(None)

    def _next(self) -> None:
        self.number += 1
        self.begun = False
        self._ends = None
        wake, self._passed = 2 * max(self._passed, 1), 0
        while self._resting and wake:
            resting = self._resting.popleft()
            if not resting.done():
                resting.set_result(None)
                wake -= 1
        if self._resting:
            self.begin()  # those that were woken may find nothing to do, and begin nothing
