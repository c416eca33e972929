"""What one subtask counts: per batch and per wait, never per record."""

from time import perf_counter

__all__ = ["Meter"]


class Meter:
    """Records and time of one subtask.

    Time is kept as three sums: the task is either busy, or idle (waits for input), or blocked (waits for room downstream). It reads the
    clock only where it begins or ends to wait.
    """

    __slots__ = ("blocked", "busy", "idle", "records_in", "records_out", "resumed")

    def __init__(self) -> None:
        self.records_in = 0
        self.records_out = 0
        self.busy = 0.0
        self.idle = 0.0
        self.blocked = 0.0
        #: When the task last began to run after waiting.
        self.resumed = perf_counter()

    def worked(self) -> float:
        """Seconds of work so far, the current stretch included."""
        return self.busy + perf_counter() - self.resumed

    def pause(self) -> float:
        """The task begins to wait; return when, for `was_idle` or `was_blocked`."""
        now = perf_counter()
        self.busy += now - self.resumed
        self.resumed = now
        return now

    def was_idle(self, since: float) -> None:
        """The task runs again, having waited for input."""
        now = self.resumed = perf_counter()
        self.idle += now - since

    def was_blocked(self, since: float) -> None:
        """The task runs again, having waited for room downstream."""
        now = self.resumed = perf_counter()
        self.blocked += now - since
