"""Notices that a client takes nothing of what is ready for it."""

import asyncio
from collections.abc import Callable

__all__ = ["Stall"]


class Stall:
    """Watches writes: each is marked when it begins and when it is done. One timer serves many of them.

    Args:
        seconds: how long one may take.
        stalled: is called when one took longer.
    """

    def __init__(self, seconds: float, stalled: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._stalled = stalled
        # When the write began that is under way; `None` if none is.
        self._since: float | None = None
        # Runs on behind the end of a write, for the next one: to set and cancel one costs more than a write.
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A write begins."""
        self._since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(self._since + self._seconds, self._look)

    def done(self) -> None:
        """It is done, or was given up."""
        self._since = None

    def close(self) -> None:
        """Watch nothing any more."""
        self._since = None
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        due = self._since + self._seconds
        if due <= self._loop.time():
            self._stalled()
        else:
            self._timer = self._loop.call_at(due, self._look)
