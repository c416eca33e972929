"""Where callers meet a job: it takes their requests, and ends them with the job."""

from collections.abc import Iterable, Set
from typing import Any, Unpack

from sage.admission import Admission
from sage.errors import NoReply, UnknownEndpoint
from sage.kernel import RequestOptions
from sage.operators.calls import Call
from sage.operators.endpoint import Endpoint
from sage.runtime.calls.answer import Answer
from sage.runtime.calls.asking import Asking
from sage.runtime.calls.inlet import JobInlet
from sage.runtime.calls.open_calls import OpenCalls

__all__ = ["CallDesk"]


class CallDesk:
    """Implements `Caller` for one run of a program.

    Args:
        job: the job's name.
        endpoints: those of the program.
        admission: how many requests are let in; `None` for all.
        window: how many records of an answer may wait to be read.
    """

    def __init__(
        self, job: str, endpoints: Iterable[Endpoint[Any]], *, admission: Admission | None, window: int
    ) -> None:
        self._job = job
        self._calls = OpenCalls(job, admission, window)
        self._inlets = {endpoint.name: JobInlet(endpoint) for endpoint in endpoints}

    @property
    def dead(self) -> Set[Call]:
        """The calls whose records are to be dropped where they are met; the same set for the life of the job."""
        return self._calls.dead

    @property
    def open_calls(self) -> int:
        """See `Caller.open_calls`."""
        return len(self._calls.open)

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
            raise UnknownEndpoint(f"there is no endpoint {name!r}; its endpoints: {known}", job=self._job)
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
        return Answer(Asking(self._calls, self.inlet(endpoint), value, options))

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
            raise NoReply(f"endpoint {endpoint!r} of job {self._job!r}: the answer has no record") from None
        finally:
            await answer.aclose()

    def drain(self) -> None:
        """Take no more requests; those inside are answered."""
        self._calls.refuse("the job is finishing what is inside")

    def close(self, failure: BaseException | None) -> None:
        """The job has ended: what is still open ends with it."""
        self._calls.end(failure)
