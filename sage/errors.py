"""Every error of sage, drawn.

::

    SageError
    ├── GraphError              a program was written that cannot run; refused where it is written
    ├── JobError                something about one job
    │   ├── JobFailed           it failed; `__cause__` is what was raised inside
    │   ├── JobCancelled        it was cancelled, so there is no result
    │   ├── JobNotRunning       it is not running (any more), so it cannot do what was asked
    │   └── UnknownEndpoint     its program has no endpoint of that name
    ├── ServiceError            something about a service, or a call of one
    │   ├── UnknownService      there is no service of that name
    │   ├── UnknownMethod       the service has no such method that can be called
    │   ├── ServiceUnavailable  it is not running now: it died, or it could not start
    │   ├── Overloaded          as many calls wait as may
    │   ├── CircuitOpen         it failed again and again, and is left alone for a while
    │   ├── NoReply             the answer of a program has no record
    │   └── DeadlineExceeded    the answer would come too late; a `TimeoutError`
    └── NotAvailable            a part of sage that this installation, or this version, does not have

    OperatorError               `sage.operators` by itself; in a program it becomes the cause of a `SageError`
    ├── InvalidOperator         an operator was described with a value that cannot be
    ├── RecordFailed            the user's function failed on one record
    └── NotReplayable           a source that can be read once was asked for a second time

    TransportError              `sage.transports` by itself
    ├── ChannelError            something about one channel
    │   ├── WouldBlock          nothing there, or no room, now
    │   ├── ClosedChannel       you closed this end and went on using it
    │   ├── ReceiverClosed      the receiver wants nothing more
    │   ├── BrokenChannel       the peer went away without ending
    │   ├── EndOfChannel        every sender has ended and everything was received
    │   ├── ReceiverTaken       the channel has its one receiver already
    │   └── UnreachableChannel  the queue lives where this process or event loop cannot reach it
    │       └── ConnectError    nobody answered there in time, or whoever did refused
    │           └── AccessDenied    it wants keys that were not shown, or others
    ├── CodecError              a value that cannot be encoded, or bytes that cannot be decoded
    ├── QueueFactoryError       a factory that was registered for a kind of queue failed
    └── InvalidChannel          a channel was described with a value that cannot be
"""

from typing import Any

from sage.operators.errors import InvalidOperator, NotReplayable, OperatorError, RecordFailed, shorten, told
from sage.transports.errors import (
    AccessDenied,
    BrokenChannel,
    ChannelError,
    ClosedChannel,
    CodecError,
    ConnectError,
    EndOfChannel,
    InvalidChannel,
    QueueFactoryError,
    ReceiverClosed,
    ReceiverTaken,
    TransportError,
    UnreachableChannel,
    WouldBlock,
)

__all__ = [
    "AccessDenied",
    "BrokenChannel",
    "ChannelError",
    "CircuitOpen",
    "ClosedChannel",
    "CodecError",
    "ConnectError",
    "DeadlineExceeded",
    "EndOfChannel",
    "GraphError",
    "InvalidChannel",
    "InvalidOperator",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobNotRunning",
    "NoReply",
    "NotAvailable",
    "NotReplayable",
    "OperatorError",
    "Overloaded",
    "QueueFactoryError",
    "ReceiverClosed",
    "ReceiverTaken",
    "RecordFailed",
    "SageError",
    "ServiceError",
    "ServiceUnavailable",
    "TransportError",
    "UnknownEndpoint",
    "UnknownMethod",
    "UnknownService",
    "UnreachableChannel",
    "WouldBlock",
]


class SageError(Exception):
    """Root of all errors that programs built with sage see."""


class GraphError(SageError, ValueError):
    """A program was written that cannot run. The message says what to write instead."""


class NotAvailable(SageError):
    """A part of sage that is not there: not installed (the message says what to install), or not in this version."""


class ServiceError(SageError):
    """Something about a service, or about a call of one. What the service itself raised is raised as it is."""


class UnknownService(ServiceError, LookupError):
    """There is no service of that name; the message says which there are."""


class UnknownMethod(ServiceError, LookupError):
    """The service has no such method that can be called; the message says which there are."""


class ServiceUnavailable(ServiceError):
    """The service is not running now: it died, could not start, or was stopped. The call may or may not have begun."""


class Overloaded(ServiceError):
    """As many calls wait as may. The message names the number that says so.

    Attributes:
        limit: the name of that number, such as ``"max_requests"``; `None` where the message alone tells it.
        retry_after: seconds after which it is likely to go better, more than 0; `None` if that is not known, or if
            coming again does not help.
    """

    def __init__(self, *args: object, limit: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(*args)
        self.limit = limit
        self.retry_after = retry_after


class CircuitOpen(ServiceError):
    """The service failed so often in a row that it is not called for a while."""


class NoReply(ServiceError):
    """A request was answered by a program, and the answer has no record."""


class DeadlineExceeded(ServiceError, TimeoutError):
    """The answer would come too late: the deadline has passed, or the time that a call may take."""


class JobError(SageError):
    """Something about one job.

    Attributes:
        job: its name.
    """

    def __init__(self, message: str, *, job: str) -> None:
        super().__init__(f"job {job!r}: {message}")
        self.job = job

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross processes. By default an exception is made again from its text alone, and loses its cause.
        return _again, (type(self), self.args, self.__dict__, self.__cause__)


class JobCancelled(JobError):
    """The job was cancelled before it had finished."""


class JobNotRunning(JobError):
    """The job is not running, so it cannot do what was asked."""


class UnknownEndpoint(JobError, LookupError):
    """The job's program has no endpoint of that name; the message says which there are."""


class JobFailed(JobError):
    """The job failed. `__cause__` is what was raised inside, by the user's function if it was one.

    Attributes:
        operator: the operator that failed.
        subtask: which of its subtasks, from 0.
        record: the record on which it failed; `None` when it failed outside of any record.
    """

    def __init__(self, *, job: str, operator: str, subtask: int, parallelism: int, error: BaseException) -> None:
        place = f"operator {operator!r}" + (f" (subtask {subtask} of {parallelism})" if parallelism > 1 else "")
        if isinstance(error, RecordFailed):
            cause, self.record = error.cause, error.value
            place = f"{error.step} behind {place}" if error.step else place
            super().__init__(f"{place} failed on record {shorten(error.value)}: {told(cause)}", job=job)
        else:
            cause, self.record = error, None
            super().__init__(f"{place} failed: {told(error)}", job=job)
        self.operator = operator
        self.subtask = subtask
        self.__cause__ = cause


def _again(kind: type[JobError], args: tuple[Any, ...], state: dict[str, Any], cause: BaseException | None) -> JobError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    error.__cause__ = cause
    return error
