"""A program whose endpoints are plain async generators: what a server needs of a job, and no more.

It counts what runs, so that tests see whether the work on a request has stopped.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any, Self, Unpack

from sage.errors import DeadlineExceeded, JobNotRunning, Overloaded
from sage.kernel import ExecutionStatus, OperatorStatistics, RequestOptions

__all__ = ["StandIn", "StandInJob"]

Work = Callable[[Any], AsyncIterator[Any]]


class StandIn:
    """A program.

    Args:
        endpoints: of each name what makes the answers.
        window: how many records may lie unread.
        places: how many requests are let in at once; more are refused. `None` for no bound.
    """

    def __init__(self, endpoints: Mapping[str, Work], *, window: int = 64, places: int | None = None) -> None:
        self.name = "stand-in"
        self.endpoints = dict(endpoints)
        self.window = window
        self.places = places
        self.jobs: list[StandInJob] = []

    @asynccontextmanager
    async def start(self) -> "AsyncIterator[StandInJob]":
        """A job bound to a block."""
        job = StandInJob(self)
        self.jobs.append(job)
        try:
            yield job
        finally:
            job.status = ExecutionStatus.CANCELLED
            for answer in list(job.answers):
                await answer.aclose()

    @property
    def job(self) -> "StandInJob":
        """The job that was started last."""
        return self.jobs[-1]


class StandInJob:
    """A job.

    Args:
        program: what it runs.
    """

    def __init__(self, program: StandIn) -> None:
        self.program = program
        self.status = ExecutionStatus.RUNNING
        self.answers: set[_Answer] = set()
        #: How each request was asked for.
        self.asked: list[dict[str, Any]] = []

    @property
    def open_calls(self) -> int:
        """How many requests are inside."""
        return len(self.answers)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The names of the endpoints."""
        return tuple(self.program.endpoints)

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        """Of the one operator that there might be."""
        return {"generate": OperatorStatistics(1, 2, 3, 0, 0.5, 0.25, 0.125, 4, 5)}

    def stream(self, endpoint: str, value: Any, **options: Unpack[RequestOptions]) -> "_Answer":
        """Ask."""
        self.asked.append({"value": value, **options})
        deadline = options.get("deadline")
        seconds = deadline.total_seconds() if isinstance(deadline, timedelta) else deadline
        return _Answer(self, self.program.endpoints[endpoint], value, seconds)

    async def call(self, endpoint: str, value: Any, **options: Unpack[RequestOptions]) -> Any:
        """Ask for the one record."""
        async with aclosing(self.stream(endpoint, value, **options)) as answer:
            return await anext(answer)


class _Answer:
    """An answer: a task makes it, and waits while `window` records lie unread."""

    def __init__(self, job: StandInJob, work: Work, value: Any, seconds: float | None) -> None:
        self._job = job
        self._work = work
        self._value = value
        self._seconds = seconds
        self._records: deque[Any] = deque()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._deadline: float | None = None

    async def admitted(self) -> None:
        """Let in, or refused."""
        if self._task is not None:
            return
        places = self._job.program.places
        if self._job.status != ExecutionStatus.RUNNING:
            raise JobNotRunning("it takes no requests any more", job=self._job.program.name)
        if places is not None and self._job.open_calls >= places:
            raise Overloaded(f"{places} requests are open (max_requests)", limit="max_requests", retry_after=0.25)
        self._job.answers.add(self)
        if self._seconds is not None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        self._task = asyncio.create_task(self._make())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        await self.admitted()
        assert self._task is not None
        try:
            async with asyncio.timeout_at(self._deadline):
                async with self._changed:
                    await self._changed.wait_for(lambda: self._records or self._finished)
                    self._changed.notify_all()
        except TimeoutError:
            await self.aclose()
            raise DeadlineExceeded("the deadline has passed") from None
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if self._records:
            return self._records.popleft()
        self._job.answers.discard(self)
        await self._task
        raise StopAsyncIteration

    def ready(self) -> list[Any]:
        """What lies unread."""
        ready = list(self._records)
        self._records.clear()
        return ready

    async def aclose(self) -> None:
        """Stop the work."""
        self._job.answers.discard(self)
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    _finished = False

    async def _make(self) -> None:
        try:
            async with aclosing(self._work(self._value)) as records:  # type: ignore[type-var]  # a generator
                async for record in records:
                    await self._put(record)
        finally:
            self._finished = True
            async with self._changed:
                self._changed.notify_all()

    async def _put(self, record: Any) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._records) < self._job.program.window)
            self._records.append(record)
            self._changed.notify_all()
