"""A circuit breaker: a service that fails again and again is left alone for a while. (After Nygard, Release It!)"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sage.errors import CircuitOpen, GraphError
from sage.operators.numbers import is_count, is_number, seconds

__all__ = ["Breaker", "Circuit"]


@dataclass(frozen=True)
class Breaker:
    """When to stop calling a service that fails: ``register_service(..., breaker=sage.Breaker())``.

    Args:
        failures: after how many failures in a row calls are refused.
        reset: seconds, or a timedelta, until one call is let through to try; if it succeeds, all are.

    Raises:
        GraphError: a value cannot be.
    """

    failures: int = 5
    reset: float | timedelta = 30.0

    def __post_init__(self) -> None:
        if not is_count(self.failures):
            raise GraphError(f"Breaker(failures={self.failures!r}): write a number of failures in a row, 1 or more")
        if not is_number(seconds(self.reset)):
            raise GraphError(f"Breaker(reset={self.reset!r}): write seconds, 0 or more")


class Circuit:
    """The breaker of one service.

    Args:
        service: the service's name, for errors.
        breaker: when it opens and closes.
    """

    def __init__(self, service: str, breaker: Breaker) -> None:
        self._service = service
        self._breaker = breaker
        self._failures = 0
        # When it opened, in the loop's time; `None` while it is closed.
        self._opened: float | None = None
        # Whether a call is under way to try.
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether calls are refused, but for one now and then to try."""
        return self._opened is not None

    def check(self) -> None:
        """Let a call through, or not.

        Raises:
            CircuitOpen: not now.
        """
        if self._opened is None:
            return
        left = self._opened + seconds(self._breaker.reset) - asyncio.get_running_loop().time()
        if left > 0 or self._trying:
            when = f"in {left:.3g} s" if left > 0 else "when the call that is under way has succeeded"
            raise CircuitOpen(
                f"service {self._service!r} failed {self._failures} times in a row; it is tried again {when}"
            )
        self._trying = True

    def succeeded(self) -> None:
        """A call that was let through has succeeded."""
        self._failures = 0
        self._opened = None
        self._trying = False

    def failed(self) -> None:
        """A call that was let through has failed."""
        self._failures += 1
        self._trying = False
        if self._failures >= self._breaker.failures:
            self._opened = asyncio.get_running_loop().time()

    def given_up(self) -> None:
        """A call that was let through was cancelled: it tells nothing."""
        self._trying = False
