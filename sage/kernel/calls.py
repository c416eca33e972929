"""Requests through a running program, as contracts: what a server, or another program, asks of a job."""

from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any, Protocol, TypedDict, Unpack

__all__ = ["Answer", "RequestOptions", "Caller"]


class Answer(Protocol):
    """The answer to one request: an async iterator over its records, to be read once.

    Nothing happens before it is first awaited. Whoever does not read it to the end closes it: all work on it stops.
    """

    async def admitted(self) -> None:
        """Wait until the request was let in; from then on there is work on it. Reading waits for the same.

        Cancel safety: when cancelled, the request is withdrawn; a later call makes it anew.

        Raises:
            Overloaded: there is no room for it; no work was done.
            DeadlineExceeded: the deadline has passed meanwhile.
            JobNotRunning: the job takes no requests (any more).
        """
        ...

    def __aiter__(self) -> AsyncIterator[Any]:
        """Iterates over the records; there is one iteration, whoever asks for it."""
        ...

    def __anext__(self) -> Awaitable[Any]:
        """The next record.

        Cancel safety: a cancelled read closes the answer, for nobody waits for it any more.

        Raises:
            StopAsyncIteration: the answer has ended.
            DeadlineExceeded: the deadline has passed.
            SageError: the job has ended, or there was no room.
            Exception: what a function raised for this request, with a note that names the operator.
        """
        ...

    def ready(self) -> list[Any]:
        """The records that have arrived and were not read, without waiting; maybe none. They count as read."""
        ...

    async def aclose(self) -> None:
        """Want nothing more: queued records are dropped, running functions are cancelled and closed. Twice is harmless.

        Cancel safety: the work is stopped all the same.
        """
        ...


class RequestOptions(TypedDict, total=False):
    """How a request is made.

    Attributes:
        deadline: seconds from now (a number, or a timedelta) by which the answer must be read whole, waiting included;
            an earlier `sage.deadline` around the request counts, too. `None` for no limit.
        priority: who waits with a higher one goes first (0).
        key: on whose behalf (a tenant, an API key): those with different keys get equal shares. Hashable.
        tokens: how many tokens the request may use, for an admission that bounds them (0).
        trace: what log lines call it; the endpoint's name if left out.
    """

    deadline: float | timedelta | None
    priority: int
    key: Any
    tokens: int
    trace: str | None


class Caller(Protocol):
    """Where requests are made: a job that runs a program with endpoints."""

    @property
    def open_calls(self) -> int:
        """How many requests are inside: admitted, with records of them still on their way."""
        ...

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The names of the endpoints of the program."""
        ...

    def stream(self, endpoint: str, value: Any, **options: Unpack[RequestOptions]) -> Answer:
        """Ask, and read the answer record by record.

        Args:
            endpoint: its name, as in ``env.endpoint(name)``.
            value: the request: the value of the record that goes into the program.
            options: how it is made.

        Raises:
            UnknownEndpoint: there is none of that name.
        """
        ...

    async def call(self, endpoint: str, value: Any, **options: Unpack[RequestOptions]) -> Any:
        """Ask, and return the one record of the answer; if there are more, the first.

        Cancel safety: cancelling it stops the work.

        Raises:
            NoReply: the answer has no record.
            SageError, Exception: as `Answer.__anext__`.
        """
        ...
