"""Where callers meet a job: it takes requests, knows which are inside, and ends them with the job."""

from collections.abc import Iterable
from copy import copy
from typing import Any, Unpack

from sage.admission import Admission, Door
from sage.errors import JobCancelled, JobNotRunning, NoReply, UnknownEndpoint
from sage.kernel import RequestOptions
from sage.operators.calls import Call
from sage.operators.endpoint import Endpoint
from sage.runtime.calls.answer import Answer
from sage.runtime.calls.asking import Asking
from sage.runtime.calls.inlet import JobInlet

__all__ = ["CallDesk"]


class CallDesk:
    """Implements `Caller` for one run of a program.

    Args:
        job: the job's name.
        endpoints: those of the program.
        admission: how many requests are let in; `None` for all.
        window: how many records of an answer may wait to be read.

    Attributes:
        open: the calls that are inside.
        dead: those of them whose records are dropped where they are met.
    """

    def __init__(
        self, job: str, endpoints: Iterable[Endpoint[Any]], *, admission: Admission | None, window: int
    ) -> None:
        self.job = job
        self.window = window
        self.open: set[Call] = set()
        self.dead: set[Call] = set()
        self.door = None if admission is None else Door(admission, f"job {job!r}")
        self._inlets = {endpoint.name: JobInlet(endpoint) for endpoint in endpoints}
        # Why nothing is taken any more.
        self._closed: str | None = None

    @property
    def open_calls(self) -> int:
        """See `Caller.open_calls`."""
        return len(self.open)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """See `Caller.endpoints`."""
        return tuple(self._inlets)

    def inlet(self, name: str) -> JobInlet:
        """The way into an endpoint.

        Raises:
            UnknownEndpoint: there is none of that name.
        """
        inlet = self._inlets.get(name)
        if inlet is None:
            known = ", ".join(map(repr, self._inlets)) or "none; add one with env.endpoint(name)"
            raise UnknownEndpoint(f"there is no endpoint {name!r}; its endpoints: {known}", job=self.job)
        return inlet

    def stream(self, endpoint: str, value: Any, **options: Unpack[RequestOptions]) -> Answer:
        """See `Caller.stream`.

        Raises:
            UnknownEndpoint: there is none of that name.
            TypeError: there is no such option.
        """
        for option in options:
            if option not in RequestOptions.__annotations__:
                known = ", ".join(RequestOptions.__annotations__)
                raise TypeError(f"endpoint {endpoint!r}: a request has no option {option!r}; its options: {known}")
        return Answer(Asking(self, self.inlet(endpoint), value, options))

    async def call(self, endpoint: str, value: Any, **options: Unpack[RequestOptions]) -> Any:
        """See `Caller.call`.

        Cancel safety: cancelling it stops the work.

        Raises:
            NoReply: the answer has no record.
        """
        answer = self.stream(endpoint, value, **options)
        try:
            return await anext(answer)
        except StopAsyncIteration:
            raise NoReply(f"endpoint {endpoint!r} of job {self.job!r}: the answer has no record") from None
        finally:
            await answer.aclose()

    def check(self, inlet: JobInlet) -> None:
        """Refuse a request that comes too late.

        Raises:
            JobNotRunning: the job, or this endpoint, takes none any more.
        """
        reason = self._closed
        if reason is None and inlet.closed:
            reason = "nothing in the program reads them any more"
        if reason is not None:
            raise JobNotRunning(f"endpoint {inlet.endpoint.name!r} takes no requests: {reason}", job=self.job)

    def drain(self) -> None:
        """Take no more requests; those inside are answered."""
        self._refuse("the job is finishing what is inside")

    def close(self, failure: BaseException | None) -> None:
        """The job has ended: what is still open ends with it."""
        self._refuse("the job has ended")
        error = failure or JobCancelled("it ended before the answer was whole", job=self.job)
        for call in list(self.open):
            call.kill(copy(error))  # each caller raises one of its own, and adds to its traceback
        self.open.clear()  # their records went with the job
        self.dead.clear()

    def _refuse(self, reason: str) -> None:
        self._closed = reason
        if self.door is not None:
            self.door.close(lambda: JobNotRunning(f"it takes no requests: {reason}", job=self.job))
