"""The places that a host has granted to one sender, and who waits for them there. Pure: no I/O, no loop.

Invariants, checked by property tests:

* nobody overtakes: while somebody stands in line, `try_take` refuses;
* what is `available` never exceeds the capacity of the channel, unless the first in line needs more: places that were
  granted for an item larger than the channel let in nothing else;
* no place is made or lost: granted = taken + available + what `take_surplus` and `empty` gave.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Purse"]

Token = TypeVar("Token", bound=Hashable)


class Purse(Generic[Token]):
    """Granted places at the sender's side; the counterpart of `Credit` at the host.

    Args:
        capacity: how many records the channel holds; `None` for no bound.
    """

    __slots__ = ("_capacity", "_line", "_surplus", "available")

    def __init__(self, capacity: int | None) -> None:
        self._capacity = capacity
        #: Places granted and not taken.
        self.available = 0
        # Places that are of no use here.
        self._surplus = 0
        self._line: OrderedDict[Token, int] = OrderedDict()

    @property
    def line(self) -> tuple[Token, ...]:
        """Who stands in line, first come first."""
        return tuple(self._line)

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    @property
    def missing(self) -> int:
        """How many places the first in line needs; 0 when nobody waits."""
        return next(iter(self._line.values()), 0)

    def try_take(self, size: int) -> bool:
        """Take `size` places, if they are there and nobody stands in line before; size 0 always passes."""
        if not size:
            return True
        if self._line or size > self.available:
            return False
        self.available -= size
        return True

    def stand_in_line(self, token: Token, size: int) -> None:
        """Wait for `size` places that `try_take` has just refused; each request has a token of its own."""
        self._line[token] = size

    def add(self, places: int) -> None:
        """Receive places, or take some back that were taken and not used; `serve` tells whom that serves."""
        self.available += places

    def leave(self, token: Token) -> bool:
        """Leave the line; tell whether `token` stood there. Who was served before gives its places back by `add`."""
        return self._line.pop(token, None) is not None

    def serve(self) -> list[Token]:
        """Let in from the line whoever fits, in order. Their places are taken already."""
        served: list[Token] = []
        self._part_with_surplus()
        while self._line:
            token, size = next(iter(self._line.items()))
            if size > self.available:
                break
            del self._line[token]
            self.available -= size
            served.append(token)
            self._part_with_surplus()
        return served

    def take_surplus(self) -> int:
        """How many places are to be given back, for they are of no use here; the purse forgets them."""
        places, self._surplus = self._surplus, 0
        return places

    def empty(self) -> int:
        """Give everything back that nobody took; return how many places that is."""
        places, self.available = self.available, 0
        return places + self.take_surplus()

    def _part_with_surplus(self) -> None:
        if self._capacity is not None:
            surplus = self.available - max(self._capacity, self.missing)
            if surplus > 0:
                self.available -= surplus
                self._surplus += surplus
