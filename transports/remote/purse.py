"""The places that a host has granted to one sender, and who waits for them there. Pure: no I/O, no loop."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Purse"]

Token = TypeVar("Token", bound=Hashable)


class Purse(Generic[Token]):
    """Granted places at the sender's side; the counterpart of `Credit` at the host.

    Invariant: nobody overtakes; while somebody stands in line, `try_take` refuses.
    """

    __slots__ = ("_line", "available")

    def __init__(self) -> None:
        #: Places granted and not used.
        self.available = 0
        self._line: OrderedDict[Token, int] = OrderedDict()

    @property
    def line(self) -> tuple[Token, ...]:
        """Who stands in line, first come first."""
        return tuple(self._line)

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

    def grant(self, places: int) -> list[Token]:
        """Receive places, or take some back that were taken and not used; return who is served by that, in order.

        Their places are taken already.
        """
        self.available += places
        return self._serve()

    def withdraw(self, token: Token) -> list[Token]:
        """Leave the line; return who is served by that. Whoever was served before gives its places back by `grant`."""
        self._line.pop(token, None)
        return self._serve()

    def empty(self) -> int:
        """Give everything back that nobody took; return how many places that is."""
        places, self.available = self.available, 0
        return places

    def _serve(self) -> list[Token]:
        served: list[Token] = []
        while self._line:
            token, size = next(iter(self._line.items()))
            if size > self.available:
                break
            del self._line[token]
            self.available -= size
            served.append(token)
        return served
