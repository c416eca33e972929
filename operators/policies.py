"""What is done when the user's function fails on a record."""

from dataclasses import dataclass, field
from typing import Any

from sage.operators.errors import InvalidOperator
from sage.operators.numbers import grown, is_count, is_number

__all__ = ["DEAD_LETTERS", "DeadLetter", "ErrorPolicy", "Fail", "Letter", "Retry", "check_policy"]

#: The side output to which letters go.
DEAD_LETTERS = "dead_letters"


@dataclass(frozen=True)
class Fail:
    """Fail the job; the default."""


@dataclass(frozen=True)
class DeadLetter:
    """Set the record aside: it goes to the side output ``dead_letters`` as a `Letter`, and the stream goes on."""


@dataclass(frozen=True)
class Retry:
    """Try again; if all attempts fail, do what `then` says.

    The order of records is kept: those behind wait for the retried one (not in an unordered asynchronous operator).

    Args:
        attempts: how often the function is called for a record at most, the first time included; at least 2.
        delay: seconds before the second attempt (a program may write a timedelta).
        backoff: by how much the delay grows each time.
        max_delay: seconds that a delay may reach.
        then: what is done with a record for which every attempt failed.
    """

    attempts: int = 3
    delay: float = 0.1
    backoff: float = 2.0
    max_delay: float = 60.0
    then: Fail | DeadLetter = field(default_factory=Fail)

    def __post_init__(self) -> None:
        if not is_count(self.attempts, 2):
            raise InvalidOperator(f"Retry(attempts={self.attempts!r}): the first call counts, so write at least 2")
        if not is_number(self.delay) or not is_number(self.max_delay):
            raise InvalidOperator(
                f"Retry(delay={self.delay!r}, max_delay={self.max_delay!r}): write seconds, 0 or more"
            )
        if not is_number(self.backoff, least=1):
            raise InvalidOperator(
                f"Retry(backoff={self.backoff!r}): write 1 for a constant delay or more for a growing one"
            )
        if not isinstance(self.then, Fail | DeadLetter):
            raise InvalidOperator(f"Retry(then={self.then!r}): write sage.Fail() or sage.DeadLetter()")

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the `attempt`-th failure, counted from 1."""
        return grown(self.delay, self.backoff, attempt - 1, self.max_delay)


ErrorPolicy = Fail | Retry | DeadLetter


@dataclass(frozen=True)
class Letter:
    """A record for which the function failed, and why.

    Attributes:
        value: the record.
        error: what the function raised the last time.
        operator: the name of the operator.
        subtask: which of its subtasks.
        attempts: how often the function was called.
    """

    value: Any
    error: Exception
    operator: str
    subtask: int
    attempts: int


def check_policy(policy: object, owner: str) -> None:
    """Refuse anything but an error policy.

    Raises:
        InvalidOperator: names `owner`, the operator that was given `policy`.
    """
    if not isinstance(policy, Fail | Retry | DeadLetter):
        raise InvalidOperator(
            f"{owner}: on_error={policy!r} is not a policy; write sage.Fail(), sage.Retry(...) or sage.DeadLetter()"
        )


def dead_letters(policy: ErrorPolicy) -> tuple[str, ...]:
    """The side outputs that an operator with this policy has."""
    last = policy.then if isinstance(policy, Retry) else policy
    return (DEAD_LETTERS,) if isinstance(last, DeadLetter) else ()
