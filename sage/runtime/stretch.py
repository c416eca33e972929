"""What tasks do for each other between two waits of the event loop.

A batch for a task that only waits for one need not wake it: whoever sends it has that task work on it at once, and
goes on when it has. So a record runs through idle operators as through calls of functions, and through busy ones by
way of their channels, which bound what lies between them. Every operator still has its own task, state and counters; a
batch that cannot be dealt with at once, for whatever reason, goes the long way.

All that happens in one stretch is kept within one budget: when it is used up, nothing more is done on the spot.
"""

from time import perf_counter

__all__ = ["Stretch"]


class Stretch:
    """The stretch of work that is going on; one for all tasks of a job.

    Args:
        budget: seconds of work before others get their turn.
    """

    __slots__ = ("budget", "depth", "ends", "inner")

    def __init__(self, budget: float) -> None:
        self.budget = budget
        #: When nothing more is to be done on the spot.
        self.ends = 0.0
        #: How many tasks work inside of each other.
        self.depth = 0
        #: Seconds of this stretch that are on the account of tasks further down.
        self.inner = 0.0

    def begin(self) -> None:
        """A task has got its turn from the event loop."""
        self.ends = perf_counter() + self.budget
        self.inner = 0.0
