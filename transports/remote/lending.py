"""The places that a host lends to senders elsewhere, ahead of what they send.

They count as taken, and are asked back when somebody waits for them::

    capacity = queued + handed over and not released + lent + free

What is granted, freed or asked back in one turn of the loop is told together, at its end.
"""

import asyncio
from typing import Any, Generic, Protocol, TypeVar

from sage.transports.credit import Credit

__all__ = ["Borrower", "Lender"]

# What a share is cut from when the queue has no bound.
_PLENTY = 1 << 14


class Borrower(Protocol):
    """A sender elsewhere, as who lends to it sees it."""

    def settle(self) -> None:
        """Take a share of what is free, if it wants any, and tell the sender what it was granted."""

    def recall(self) -> None:
        """Ask the sender for what it does not need."""


B = TypeVar("B", bound=Borrower)


class Lender(Generic[B]):
    """Divides the free places of one queue among the senders elsewhere.

    Args:
        credit: the queue's places.

    Attributes:
        borrowers: the senders, those that came first before the others.
        hoping: those that would take places that can be spared, in the order in which they asked.
        lent: how many places they hold together.
        freed: places became free in this turn of the loop: those that hope for some are about to share them.
    """

    __slots__ = (
        "_credit",
        "_loop",
        "_recalling",
        "_refused",
        "_settling",
        "_to_settle",
        "borrowers",
        "freed",
        "hoping",
        "lent",
    )

    def __init__(self, credit: Credit[Any]) -> None:
        self._credit = credit
        self._loop = asyncio.get_running_loop()
        self.borrowers: list[B] = []
        self.hoping: dict[B, None] = {}
        self.lent = 0
        self.freed = False
        # To be told what they were granted.
        self._to_settle: dict[B, None] = {}
        self._settling = False
        self._recalling = False
        # A sender at the host found no room, and does not wait for it.
        self._refused = False

    @property
    def share(self) -> int:
        """How many of the free places one sender may be lent now: nothing while somebody waits for places."""
        credit = self._credit
        if credit.waiting:
            return 0
        free = _PLENTY if credit.capacity is None else credit.capacity - credit.used
        return -(-free // max(1, len(self.borrowers)))

    @property
    def portion(self) -> int:
        """How many places are worth a message to a sender that can do without them."""
        capacity = self._credit.capacity
        return 1 if capacity is None else max(1, capacity // 8)

    def hopes(self, borrower: B, hope: bool) -> None:
        """Whether the sender would take places that can be spared, now or later."""
        if hope:
            self.hoping[borrower] = None
        else:
            self.hoping.pop(borrower, None)

    def forget(self, borrower: B) -> None:
        """The sender has gone; what it held is given back by itself."""
        self.borrowers.remove(borrower)
        self.hoping.pop(borrower, None)
        self._to_settle.pop(borrower, None)

    def settle_soon(self, borrower: B) -> None:
        """Tell the sender what it was granted, once the loop gets control: all that is freed until then goes along."""
        self._to_settle[borrower] = None
        self._settle_soon()

    def spare_soon(self, size: int) -> None:
        """Places became free: share them among those who hope for some, once the loop gets control."""
        if size and self.hoping and not self.freed:
            self.freed = True
            self._settle_soon()

    def recall_soon(self, *, refused: bool = False) -> None:
        """Somebody waits for places, or was refused: ask back what senders do not need."""
        self._refused = self._refused or refused
        if not self._recalling and self.borrowers:
            self._recalling = True
            self._loop.call_soon(self._recall)

    def _settle_soon(self) -> None:
        if not self._settling:
            self._settling = True
            self._loop.call_soon(self._settle)

    def _settle(self) -> None:
        self._settling = False
        borrowers, self._to_settle = self._to_settle, {}
        if self.freed:
            self.freed = False
            borrowers.update(self.hoping)
        for borrower in borrowers:
            borrower.settle()

    def _recall(self) -> None:
        self._recalling = False
        # First what was granted: a recall that arrived before it would not count for it.
        self._settle()
        if self._credit.waiting or self._refused:
            for borrower in list(self.borrowers):
                borrower.recall()
        self._refused = False
