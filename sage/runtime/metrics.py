"""What one subtask counts: per batch and per wait, never per record."""

from time import perf_counter

from sage.runtime.stretch import Stretch

__all__ = ["BLOCKED", "BUSY", "IDLE", "Meter"]

BUSY = "busy"
IDLE = "idle"
BLOCKED = "blocked"


class Meter:
    """Records and time of one subtask.

    Args:
        stretch: what its task does in it for tasks further down is on their account.

    Its time is kept as three sums: it is either busy (an operator whose places are all taken counts as busy, too), or
    idle (waits for input), or blocked (waits for room downstream). The clock is read only where a stretch of one of
    these begins; the stretch that is going on is added when somebody asks.
    """

    __slots__ = ("blocked", "busy", "idle", "records_in", "records_out", "since", "state", "stretch")

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self.records_in = 0
        self.records_out = 0
        #: Seconds of each state, up to `since`.
        self.busy = 0.0
        self.idle = 0.0
        self.blocked = 0.0
        #: What it is doing since then; `None` before its life and after.
        self.state: str | None = None
        self.since = perf_counter()

    def turn(self, state: str | None) -> None:
        """From now on it is in another state, or begins a new stretch of the same."""
        now = perf_counter()
        stretch = self.stretch
        if self.state is BUSY:
            self.busy += now - self.since - stretch.inner
        elif self.state is IDLE:
            self.idle += now - self.since
        elif self.state is BLOCKED:
            self.blocked += now - self.since
        self.state = state
        self.since = now
        stretch.inner = 0.0
        stretch.ends = now + stretch.budget

    def seconds(self) -> tuple[float, float, float]:
        """How long it has been busy, idle and blocked so far."""
        going_on = perf_counter() - self.since
        busy, idle, blocked = (going_on if self.state is state else 0.0 for state in (BUSY, IDLE, BLOCKED))
        return self.busy + busy, self.idle + idle, self.blocked + blocked
