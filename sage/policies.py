"""What is done when a function fails on a record, as users write it: ``on_error=sage.Retry(...)``."""

from datetime import timedelta

from sage.operators.numbers import seconds
from sage.operators.policies import DeadLetter, Fail, Retry as _Retry
from sage.refusal import Refusing

__all__ = ["Retry"]


class Retry(Refusing, _Retry):
    __doc__ = _Retry.__doc__

    def __init__(
        self,
        attempts: int = 3,
        delay: float | timedelta = 0.1,
        backoff: float = 2.0,
        max_delay: float | timedelta = 60.0,
        then: Fail | DeadLetter = Fail(),  # noqa: B008 - it never changes
    ) -> None:
        super().__init__(attempts, seconds(delay), backoff, seconds(max_delay), then)
