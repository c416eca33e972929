"""What a client says of a request in its headers: until when, how urgent.

================== =====================================================================
``x-request-timeout``   seconds by which the answer must be there whole, waiting included
``x-request-priority``  who waits with a higher one goes first; 0 is usual
``x-request-id``        what log lines call the request
================== =====================================================================
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

from sage.errors import DeadlineExceeded
from sage.operators.errors import shorten
from sage.serving.errors import RequestError

__all__ = ["Terms", "terms_of"]


@dataclass(frozen=True)
class Terms:
    """Until when, how urgent.

    Attributes:
        deadline: on the clock of the running loop; `None` for no hurry.
        priority: who waits with a higher one goes first.
    """

    deadline: float | None = None
    priority: int = 0

    def left(self) -> float | None:
        """Seconds until the deadline.

        Raises:
            DeadlineExceeded: it has passed.
        """
        if self.deadline is None:
            return None
        left = self.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise DeadlineExceeded("the deadline of the request has passed")
        return left


def terms_of(headers: Mapping[str, str], *, timeout: float | None, max_priority: int) -> Terms:
    """Read the headers.

    Args:
        headers: of the request.
        timeout: the seconds of a request that says nothing, and the most that one may ask for.
        max_priority: the highest priority that a client may ask for.

    Raises:
        RequestError: a header cannot be read.
    """
    asked = headers.get("x-request-timeout")
    seconds = timeout
    if asked is not None:
        seconds = min(_number(asked), math.inf if timeout is None else timeout)
    deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
    return Terms(deadline, min(_priority(headers.get("x-request-priority", "0")), max_priority))


def _number(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise RequestError(f"x-request-timeout: {shorten(text)}: write seconds, more than 0", param="x-request-timeout")
    return seconds


def _priority(text: str) -> int:
    try:
        return max(-_HIGHEST, min(int(text), _HIGHEST))
    except ValueError:
        raise RequestError(
            f"x-request-priority: {shorten(text)}: write an integer", param="x-request-priority"
        ) from None


_HIGHEST = 1_000_000
