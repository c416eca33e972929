"""A hosted queue that tells when everything in it has been taken."""

from collections.abc import Callable
from typing import Any

from sage.transports.remote.hosted import HostedQueue

__all__ = ["SharedQueue"]


class SharedQueue(HostedQueue):
    """See `HostedQueue`. Who waits for memory that is read in place learns here that waiting is of no use.

    Attributes:
        emptied: called, one by one, when the last item has been taken; those who have been called are forgotten.
    """

    def __init__(self, name: str, address: str, capacity: int | None) -> None:
        super().__init__(name, address, capacity)
        self.emptied: list[Callable[[], None]] = []

    def take_all(self) -> list[Any]:
        """See `HostedQueue.take_all`."""
        taken = super().take_all()
        if self.emptied:
            self._tell_emptied()
        return taken

    def take_one(self) -> Any:
        """See `HostedQueue.take_one`."""
        taken = super().take_one()
        if self.emptied:
            self._tell_emptied()
        return taken

    def taken(self, records: int) -> None:
        """See `HostedQueue.taken`."""
        super().taken(records)
        if self.emptied:
            self._tell_emptied()

    def _tell_emptied(self) -> None:
        if not self.items:
            callbacks, self.emptied = self.emptied, []
            for callback in callbacks:
                callback()
