"""What can go wrong inside an operator.

::

    OperatorError
    ├── InvalidOperator       an operator was described with a value that cannot be
    ├── RecordFailed          the user's function failed on one record; the cause is the function's own error
    └── NotReplayable         a source that can be read once was asked for a second time
"""

from typing import Any

__all__ = ["InvalidOperator", "NotReplayable", "OperatorError", "RecordFailed", "shorten", "told"]


class OperatorError(Exception):
    """Root of all errors of `sage.operators`."""


class InvalidOperator(OperatorError, ValueError):
    """An operator was described with a value that cannot be; the message says what to write instead."""


class NotReplayable(OperatorError):
    """A source that can be read only once was asked for its records a second time."""


class RecordFailed(OperatorError):
    """The user's function failed on one record. `__cause__` is what the function raised.

    Attributes:
        value: the record.
        cause: what the function raised.
        step: what the function is for, when it is not the operator's own work but a step behind it; else empty.
    """

    def __init__(self, value: Any, cause: BaseException, *, step: str = "") -> None:
        super().__init__(f"{told(cause)} (record: {shorten(value)})")
        self.value = value
        self.cause = cause
        self.step = step
        self.__cause__ = cause

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross processes. By default an exception is made again from its text alone.
        return type(self), (self.value, self.cause), self.__dict__


def shorten(value: Any, limit: int = 200) -> str:
    """The `repr` of a value, cut to `limit` characters; a value whose `repr` fails is named by its type."""
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def told(error: BaseException) -> str:
    """The type and the text of an error; one without a text, or whose `str` fails, is told by its type alone."""
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as failure:
        return f"{kind} (whose text raised {type(failure).__name__})"
    return f"{kind}: {text}" if text else kind
