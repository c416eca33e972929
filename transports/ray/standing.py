"""How a queue in an actor stands, as its ends elsewhere know it."""

from typing import NamedTuple

__all__ = ["Board", "Standing"]


class Standing(NamedTuple):
    """How the queue stands, as one end is told. All counts but the first are records."""

    #: Orders what is told: a higher one is later.
    stamp: int = 0
    sent: int = 0
    #: Acknowledged by other ends than this one.
    elsewhere: int = 0
    queued: int = 0
    used: int = 0
    waiting: int = 0


class Board:
    """What the ends of one process know together.

    Attributes:
        under_way: records that this process has sent and the actor has not confirmed, less those it has taken.
    """

    def __init__(self) -> None:
        self._latest = Standing()
        self.under_way = 0

    @property
    def queued(self) -> int:
        """Records in the queue: as the actor last told, and what was done here since."""
        return max(0, self._latest.queued + self.under_way)

    def see(self, standing: Standing) -> None:
        """One of the ends is told how the queue stands."""
        if standing.stamp > self._latest.stamp:
            self._latest = standing
