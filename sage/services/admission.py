"""Who may run now, who waits, and who is sent away.

`sage.admission` does so for requests; to go through its door takes twenty times as long, for keys, priorities and
tokens that calls do not have.
"""

import asyncio
from collections import deque

from sage.errors import Overloaded

__all__ = ["Admission"]


class Admission:
    """Bounds how many calls run and how many wait; first come, first served.

    Args:
        service: the service's name, for errors.
        max_concurrency: how many calls run at once; `None` for no bound.
        max_queue: how many wait for that; `None` for no bound.
    """

    def __init__(self, service: str, max_concurrency: int | None, max_queue: int | None) -> None:
        self.running = 0
        self._service = service
        self._most = max_concurrency
        self._longest = max_queue
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._line)

    async def enter(self) -> None:
        """Wait for a turn; follow with `leave`.

        Cancel safety: when cancelled, there is nothing to leave, and whoever waits behind is not held up.

        Raises:
            Overloaded: as many wait as may.
        """
        if self._most is None or (self.running < self._most and not self._line):
            self.running += 1
            return
        if self._longest is not None and len(self._line) >= self._longest:
            raise Overloaded(
                f"service {self._service!r}: {self.running} calls run (max_concurrency={self._most}) and "
                f"{len(self._line)} wait (max_queue={self._longest}); call more slowly, or raise one of them"
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()  # the turn was given already: pass it on
            elif turn in self._line:  # unless somebody who left in this moment has passed it over
                self._line.remove(turn)
            raise

    def leave(self) -> None:
        """End a turn; the next in line begins."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)  # `running` stays: one leaves, one enters
                return
        self.running -= 1
