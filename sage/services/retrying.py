"""Calls that failed and are made again."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sage.errors import CircuitOpen, DeadlineExceeded, Overloaded, UnknownMethod

__all__ = ["retrying"]

R = TypeVar("R")

# Another attempt would come to the same, or would make things worse.
_FINAL = (CircuitOpen, DeadlineExceeded, Overloaded, UnknownMethod)

# It logs every attempt, for programs that have set up logging. In others, Python would print no more than its name.
logging.getLogger("stamina").addHandler(logging.NullHandler())


async def retrying(policy: Any, attempt: Callable[..., Awaitable[R]], *args: Any, again: Callable[[], object]) -> R:
    """What `attempt` returns, after as many failures as the policy allows.

    Cancel safety: when cancelled, nothing is tried again.

    Args:
        policy: a `sage.Retry`.
        attempt: makes the call.
        args: what it is called with.
        again: called before each further attempt.

    Raises:
        Exception: what the last attempt raised.
    """
    from stamina import retry_context

    async for trial in retry_context(
        on=_may_help,
        attempts=policy.attempts,
        timeout=None,
        wait_initial=policy.delay,
        wait_max=policy.max_delay,
        wait_jitter=policy.delay / 2,
        wait_exp_base=policy.backoff,
    ):
        with trial:
            if trial.num > 1:
                again()
            return await attempt(*args)
    raise AssertionError("the last attempt returns or raises")


def _may_help(error: BaseException) -> bool:
    """Whether to try again. What is no `Exception` is a cancellation: it is the caller's, and goes on to it."""
    return isinstance(error, Exception) and not isinstance(error, _FINAL)
