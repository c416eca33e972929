"""What goes wrong on request.

A fault is written ``NAME=VALUE``, or ``NAME=VALUE@PROBABILITY``, as an option of the server, and as a header of one
request, ``x-mock-NAME: VALUE@PROBABILITY``:

======== ================== ==========================================================================
name     value              what happens
======== ================== ==========================================================================
error    a status           answered with it before the first token
overload seconds            answered with 429, and told to come back after so many seconds
first    seconds            the first token comes that much later
stall    TOKENS:SECONDS     after so many tokens nothing comes for so long; without SECONDS, never again
cut      tokens             the connection is cut after so many tokens
======== ================== ==========================================================================
"""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sage.errors import GraphError

__all__ = ["HEADER", "Fault", "Faults", "Trouble"]

#: What the headers of faults begin with.
HEADER = "x-mock-"

_FORMS = {"error": "STATUS", "overload": "SECONDS", "first": "SECONDS", "stall": "TOKENS[:SECONDS]", "cut": "TOKENS"}


@dataclass(frozen=True)
class Fault:
    """One fault as it was written.

    Attributes:
        name: which.
        number: its status, its tokens, or its seconds where it has nothing else.
        seconds: of a stall.
        probability: of its happening to a request.
    """

    name: str
    number: float
    seconds: float = math.inf
    probability: float = 1.0

    @classmethod
    def parse(cls, name: str, text: str) -> "Fault":
        """Read ``VALUE`` or ``VALUE@PROBABILITY``.

        Raises:
            GraphError: there is no such fault, or its value cannot be.
        """
        if name not in _FORMS:
            raise GraphError(f"fault {name!r} is not known; write one of {', '.join(_FORMS)}")
        value, _, probability = text.partition("@")
        number, _, seconds = value.partition(":")
        try:
            fault = cls(name, float(number), float(seconds or "inf"), float(probability or 1))
        except ValueError:
            raise cls._cannot_be(name, text) from None
        if not fault._can_be() or (seconds and name != "stall"):
            raise cls._cannot_be(name, text)
        return fault

    def _can_be(self) -> bool:
        if not (0 <= self.probability <= 1 and self.seconds >= 0 and 0 <= self.number < math.inf):
            return False
        if self.name == "error":
            return self.number in range(400, 600)
        return self.name in ("overload", "first") or self.number.is_integer()

    @staticmethod
    def _cannot_be(name: str, text: str) -> GraphError:
        return GraphError(f"fault {name}={text}: write {name}={_FORMS[name]}, or {name}={_FORMS[name]}@PROBABILITY")


@dataclass(frozen=True)
class Trouble:
    """What happens to one request.

    Attributes:
        error: the status it is answered with; `None` for none.
        retry_after: seconds after which it may come again; `None` if it is not sent away.
        cut_after: tokens after which the connection is cut; `None` for never.
        pauses: seconds before a token, by its index.
    """

    error: int | None = None
    retry_after: float | None = None
    cut_after: int | None = None
    pauses: Mapping[int, float] = field(default_factory=dict)


class Faults:
    """Draws what happens to each request.

    Args:
        written: faults that may befall every request, ``NAME=VALUE``.
        seed: equal seeds draw alike.

    Raises:
        GraphError: a fault cannot be.
    """

    def __init__(self, written: Iterable[str] = (), seed: int = 0) -> None:
        self._faults: dict[str, Fault] = {}
        self._random = random.Random(seed)
        for text in written:
            name, _, value = text.partition("=")
            self._faults[name] = Fault.parse(name, value)

    def drawn(self, headers: Mapping[str, str]) -> Trouble:
        """What happens to a request; the faults in its headers come before those of the server.

        Raises:
            GraphError: a header cannot be.
        """
        own = {name: Fault.parse(name, headers[HEADER + name]) for name in _FORMS if HEADER + name in headers}
        faults = {**self._faults, **own}
        happening = {
            name: fault
            for name, fault in faults.items()
            if fault.probability >= 1 or self._random.random() < fault.probability
        }
        return _trouble(happening)


def _trouble(faults: Mapping[str, Fault]) -> Trouble:
    pauses: dict[int, float] = {}
    if "first" in faults:
        pauses[0] = faults["first"].number
    if "stall" in faults:
        index = int(faults["stall"].number)
        pauses[index] = pauses.get(index, 0.0) + faults["stall"].seconds
    return Trouble(
        error=int(faults["error"].number) if "error" in faults else None,
        retry_after=faults["overload"].number if "overload" in faults else None,
        cut_after=int(faults["cut"].number) if "cut" in faults else None,
        pauses=pauses,
    )
