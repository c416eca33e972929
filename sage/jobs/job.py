"""A submitted program, running or ended."""

import asyncio
import os
from collections.abc import Callable, Mapping
from time import perf_counter
from types import TracebackType
from typing import Any, Self, Unpack

from sage.errors import JobCancelled, JobNotRunning
from sage.jobs.result import JobResult
from sage.kernel import Answer, Execution, ExecutionStatus, OperatorStatistics, RequestOptions

__all__ = ["Job"]


class Job:
    """A handle on one run of a program. `Environment.start` and `Environment.submit` make it.

    As a context manager it bounds the run to a block: inside of it all operators are open, unless the run has ended
    already; leaving the block cancels what still runs, and waits until it is closed.

    Args:
        name: the program's name.
        execution: the run, not started yet.
    """

    def __init__(self, name: str, execution: Execution) -> None:
        #: Unique, also among runs of the same program.
        self.id = os.urandom(6).hex()
        self.name = name
        self._execution = execution
        self._task: asyncio.Task[None] | None = None
        # Whether the task has taken its first step, and whether it is to stop there.
        self._begun = False
        self._unwanted = False
        self._started = perf_counter()
        self._ended: float | None = None
        # Whether somebody was told of a failure.
        self._told = False

    def begin(self) -> Self:
        """Start running, in a task of the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"job {self.name}")
        self._task.add_done_callback(self._note_end)
        return self

    @property
    def status(self) -> ExecutionStatus:
        """Where the job stands; compares equal to its name: ``job.status == "running"``."""
        if self._task is not None and self._task.cancelled():  # maybe before the execution had begun
            return ExecutionStatus.CANCELLED
        return self._execution.status

    @property
    def duration(self) -> float:
        """Seconds since the start, or from start to end."""
        return (self._ended or perf_counter()) - self._started

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        """What each operator has done so far, by name."""
        return self._execution.statistics()

    def __repr__(self) -> str:
        return f"<Job {self.name!r} ({self.id}): {self.status}>"

    # ---- requests

    @property
    def endpoints(self) -> tuple[str, ...]:
        """See `Caller.endpoints`."""
        return self._execution.caller.endpoints

    @property
    def open_calls(self) -> int:
        """See `Caller.open_calls`."""
        return self._execution.caller.open_calls

    def stream(self, endpoint: str, value: Any, **options: Unpack[RequestOptions]) -> Answer:
        """Ask an endpoint, and read the answer record by record: ``async for part in job.stream("ask", question)``.

        Whoever stops reading closes the answer (``async with contextlib.aclosing(...)``): all work on it stops.

        Args:
            endpoint: its name, as in ``env.endpoint(name)``.
            value: the request.
            options: as in `RequestOptions`.

        Raises:
            UnknownEndpoint: there is none of that name.
        """
        return self._execution.caller.stream(endpoint, value, **options)

    async def call(self, endpoint: str, value: Any, **options: Unpack[RequestOptions]) -> Any:
        """Ask an endpoint, and return the one record of the answer; the arguments are those of `stream`.

        Cancel safety: cancelling it stops the work.

        Raises:
            NoReply: the answer has no record.
            DeadlineExceeded: the deadline has passed.
            Overloaded: the admission refused it; no work was done.
            JobNotRunning: the job takes no requests.
            UnknownEndpoint: there is none of that name.
        """
        return await self._execution.caller.call(endpoint, value, **options)

    # ---- its end

    async def wait(self) -> JobResult:
        """Wait until the job has ended.

        Cancel safety: cancelling the wait leaves the job running.

        Raises:
            JobFailed: an operator failed.
            JobCancelled: the job was cancelled.
        """
        task = self._running_task()
        await asyncio.wait([task])
        self._told = True
        if task.cancelled():
            raise JobCancelled("it was cancelled before it had finished", job=self.name)
        task.result()
        return JobResult(self.name, self.id, self.status, self.duration, self.statistics())

    async def drain(self) -> JobResult:
        """Have the sources end, wait until everything inside is finished, and return the result.

        Cancel safety: cancelling the wait leaves the job draining.

        Raises:
            JobFailed, JobCancelled: as in `wait`.
        """
        self._execution.drain()
        return await self.wait()

    async def cancel(self) -> None:
        """Stop without finishing; return when everything is closed. Harmless when the job has ended.

        Cancel safety: the job is cancelled all the same.
        """
        task = self._running_task()
        self._told = True
        if not task.done():
            if self._begun:
                task.cancel()
            else:  # it would never begin: and who has asked something of it already would not be told
                self._unwanted = True
            await asyncio.wait([task])

    def on_end(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the job has ended, one way or another."""
        self._running_task().add_done_callback(lambda _: callback())

    async def __aenter__(self) -> Self:
        if self._task is None:
            self.begin()
        task = self._running_task()
        ready = asyncio.get_running_loop().create_task(self._execution.ready(), name=f"start of job {self.name}")
        try:
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.cancel()
            raise
        finally:
            ready.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        told = self._told
        await self.cancel()
        failure = self._failure()
        if failure is not None and not told and error is None:
            raise failure

    async def _run(self) -> None:
        self._begun = True
        task = asyncio.current_task()
        if self._unwanted and task is not None:
            task.cancel()
        await self._execution.run()

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self._ended = perf_counter()

    def _failure(self) -> BaseException | None:
        task = self._running_task()
        return None if task.cancelled() else task.exception()

    def _running_task(self) -> "asyncio.Task[None]":
        if self._task is None:
            raise JobNotRunning("it was not started; write async with env.start() as job: ...", job=self.name)
        return self._task
