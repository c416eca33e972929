"""Flow control by credit, without any I/O.

A queue has a number of places. A sender takes places before it sends and the receiver gives them back once it
has taken the records over; who finds too few places free stands in line. All transports share this code, so the bound
of a queue means the same everywhere, however many senders share it::

    try_acquire ── granted ──────────────▶ send ── … ── release
        │                                                  │
        └─ refused ── stand_in_line ── (granted by) ◀──────┘
                            │
                            └─ withdraw (the waiter was cancelled)

Invariants, checked by property tests:

* `used` never exceeds `capacity`, but for one request larger than the whole queue, which may enter an empty one;
* nobody overtakes: while somebody stands in line, `try_acquire` refuses;
* whoever stands in line is granted as soon as the request fits.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from sage.transports.errors import InvalidChannel

__all__ = ["Credit"]

Token = TypeVar("Token", bound=Hashable)


class Credit(Generic[Token]):
    """The places of one queue, counted in records.

    Args:
        capacity: how many records the queue holds, at least 1; `None` for no bound.
    """

    __slots__ = ("capacity", "line", "used")

    def __init__(self, capacity: int | None) -> None:
        if capacity is not None and capacity < 1:
            raise InvalidChannel(f"a channel holds at least 1 record; its capacity cannot be {capacity}")
        #: `None` for no bound.
        self.capacity = capacity
        #: Places taken, by what is queued and by what was granted and is about to be sent.
        self.used = 0
        #: Who waits, first come first, with the size of the request. Whoever leaves early is found at once.
        self.line: OrderedDict[Token, int] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many requests stand in line."""
        return len(self.line)

    def try_acquire(self, size: int) -> bool:
        """Take `size` places if they are free and nobody stands in line before; size 0 always passes.

        Raises:
            ValueError: `size` is negative.
        """
        used = self.used
        taken = used + size
        if size < 1:
            if size < 0:
                raise ValueError(f"an item holds 0 records or more; its size cannot be {size}")
        elif self.line or (used and self.capacity is not None and taken > self.capacity):
            return False
        self.used = taken
        return True

    def stand_in_line(self, token: Token, size: int) -> None:
        """Wait for `size` places that `try_acquire` has just refused; each request has a token of its own.

        A later `release` or `withdraw` returns `token` once they are granted.
        """
        self.line[token] = size

    def release(self, size: int) -> list[Token]:
        """Give `size` places back; return whoever is granted by that. Their places are taken already.

        Raises:
            ValueError: more places are given back than are taken.
        """
        left = self.used - size
        if left < 0 or size < 0:
            raise ValueError(f"{size} places are given back, but {self.used} are taken: release each record once")
        self.used = left
        return self._grant() if self.line else []

    def withdraw(self, token: Token) -> list[Token]:
        """Leave the line; return whoever is granted by that (a large request may have held up small ones).

        Whoever was granted before is no longer in line, and gives the places back by `release` instead.
        """
        self.line.pop(token, None)
        return self._grant()

    def _fits(self, size: int) -> bool:
        return self.capacity is None or not self.used or self.used + size <= self.capacity

    def _grant(self) -> list[Token]:
        granted: list[Token] = []
        while self.line:
            token, size = next(iter(self.line.items()))
            if not self._fits(size):
                break
            del self.line[token]
            self.used += size
            granted.append(token)
        return granted
