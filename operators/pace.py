"""How many records to work on before looking at the clock.

A single slow function must not hold the event loop for a whole batch, and a fast one should not pay for the clock at
every record. So work is cut into pieces: the first is one record long. A piece that was quick makes the next one
longer, up to four times, but not so long that it would take more than half the budget; one over budget makes it shorter
in proportion. (As tokio's cooperative budget, but measured in time.)
"""

__all__ = ["Pace"]

_GROWTH = 4


class Pace:
    """The length of the next piece of work, in records.

    Args:
        budget: seconds that one piece may take.
        limit: the longest piece.
    """

    __slots__ = ("_budget", "_limit", "size")

    def __init__(self, budget: float, limit: int) -> None:
        self._budget = budget
        self._limit = limit
        #: How many records to work on next; at least 1.
        self.size = 1

    def took(self, records: int, seconds: float) -> None:
        """Learn from a piece of `records` that took `seconds`."""
        if seconds > self._budget:
            self.size = max(1, int(records * self._budget / seconds))
        elif records >= self.size < self._limit:
            growth = min(_GROWTH, self._budget / (2 * seconds)) if seconds > 0 else _GROWTH
            if growth > 1:
                self.size = min(self._limit, int(self.size * growth))
