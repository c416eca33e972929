"""Processing time. Everything in sage that asks for the time or sets a timer goes through a `Clock`."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "LoopClock", "Timer"]


class Timer(Protocol):
    """A timer that was set."""

    def cancel(self) -> None:
        """Forget it; harmless when it was due already."""
        ...


class Clock(Protocol):
    """Tells the time and calls back later."""

    def now(self) -> float:
        """Seconds since the epoch; never goes back."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` on the running loop when `now` has reached `when`, as finely as the loop tells time.

        That is a millisecond in uvloop: `now` may be half of one short.
        """
        ...


class LoopClock:
    """The time of the running event loop, set to the wall clock once.

    It does not jump when somebody corrects the wall clock; and where the loop's time is virtual (`sage.testing.run`),
    so is this.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._offset = time.time() - self._loop.time()

    def now(self) -> float:
        """See `Clock.now`."""
        return self._loop.time() + self._offset

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """See `Clock.call_at`."""
        return self._loop.call_at(when - self._offset, callback)
