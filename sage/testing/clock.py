"""A clock that stands still until the test moves it."""

import heapq
import itertools
from collections.abc import Callable
from datetime import timedelta

from sage.operators.numbers import seconds as in_seconds

__all__ = ["ManualClock"]


class ManualTimer:
    """A timer of a `ManualClock`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """See `Timer.cancel`."""
        self._callback = None

    def fire(self) -> None:
        """Call back, unless it was cancelled."""
        if self._callback is not None:
            self._callback()


class ManualClock:
    """A `Clock` for tests of single operators: time passes by `advance` only.

    Args:
        start: seconds since the epoch at the beginning.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        """See `Clock.now`."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> ManualTimer:
        """See `Clock.call_at`; a time that has passed is due at the next `advance`."""
        timer = ManualTimer(callback)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def advance(self, seconds: float | timedelta) -> None:
        """Let so many seconds, or a timedelta, pass; timers fire in the order in which they are due, each at its time.

        A timer may let time pass as well.

        Raises:
            ValueError: `seconds` is negative.
        """
        length = in_seconds(seconds)
        if length < 0:
            raise ValueError(f"time never goes back: advance by 0 seconds or more, not {length}")
        end = self._now + length
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            timer.fire()
        self._now = max(self._now, end)
