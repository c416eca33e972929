"""Deadlines: a moment by which whoever asked wants the answer, carried along with every call below."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from math import inf

import anyio

from sage.errors import DeadlineExceeded
from sage.operators.numbers import is_number, seconds as in_seconds

__all__ = ["carried", "current_deadline", "deadline", "remaining"]

# In the time of the running loop; `None` for none.
_deadline: ContextVar[float | None] = ContextVar("sage.deadline", default=None)


@contextmanager
def deadline(seconds: float | timedelta) -> Iterator[None]:
    """Give the block `seconds` from now; what it awaits is cancelled then.

    Calls of services inside the block carry the deadline along, also to other processes: nobody works on an answer that
    comes too late. Inside of another deadline the earlier one counts.

    Raises:
        DeadlineExceeded: the time is up. It is a `TimeoutError`.
        TypeError: `seconds` is no length of time.
    """
    length = in_seconds(seconds)
    if not is_number(length, least=-inf):
        raise TypeError(f"deadline({seconds!r}): write seconds from now, or a timedelta")
    now = asyncio.get_running_loop().time()
    outer = _deadline.get()
    at = now + length if outer is None else min(outer, now + length)
    token = _deadline.set(at)
    try:
        with anyio.move_on_after(at - now) as scope:
            yield
    finally:
        _deadline.reset(token)
    if scope.cancelled_caught:
        raise DeadlineExceeded(f"the deadline of {length:g} s has passed")


def carried(at: float | None) -> None:
    """Let the running task, and what it calls, have the deadline that came with a request; its owner enforces it."""
    if _deadline.get() != at:  # a context that nobody has touched can be used for the next call as well
        _deadline.set(at)


def current_deadline() -> float | None:
    """The moment, in the running loop's time, by which the running code is to be done; `None` for none."""
    return _deadline.get()


def remaining() -> float | None:
    """The seconds until then, which may be below 0; `None` for no deadline."""
    at = _deadline.get()
    return None if at is None else at - asyncio.get_running_loop().time()
