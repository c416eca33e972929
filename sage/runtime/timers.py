"""The timers of one task."""

from typing import Any

from sage.clock import Clock, Timer
from sage.runtime.mailbox import Mailbox, MailKind

__all__ = ["Timers"]


class Timers:
    """Timers that arrive as mail. Each is forgotten when it is due or cancelled: a task may set one for every record.

    Args:
        clock: by which they are due.
        mailbox: the task's.
    """

    def __init__(self, clock: Clock, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        #: Those that are neither due nor cancelled yet.
        self.waiting: set[Timer] = set()
        self._clock = clock

    def set(self, at: float, tag: Any) -> Timer:
        """Have mail with `tag` come at that time, in seconds since the epoch."""
        timer = _TaskTimer(self, tag)
        timer.handle = self._clock.call_at(at, timer.due)
        self.waiting.add(timer)
        return timer

    def cancel_all(self) -> None:
        """Forget them all."""
        for timer in list(self.waiting):
            timer.cancel()


class _TaskTimer:
    __slots__ = ("_tag", "_timers", "handle")

    #: The timer of the clock.
    handle: Timer

    def __init__(self, timers: Timers, tag: Any) -> None:
        self._timers = timers
        self._tag = tag

    def due(self) -> None:
        self._timers.waiting.discard(self)
        self._timers.mailbox.post(MailKind.TIMER, self._tag)

    def cancel(self) -> None:
        self._timers.waiting.discard(self)
        self.handle.cancel()
