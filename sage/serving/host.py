"""The job behind a server: started and closed with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Protocol

from sage.errors import GraphError
from sage.kernel import Caller, ExecutionStatus, OperatorStatistics
from sage.serving.errors import draining, logger
from sage.serving.presence import Receive, Send
from sage.serving.wire import register_types

__all__ = ["JobHost", "Program", "ServedJob"]


class ServedJob(Caller, Protocol):
    """What a server needs of a job; `sage.Job` has it."""

    @property
    def status(self) -> ExecutionStatus:
        """Where it stands."""
        ...

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        """What each operator has done so far, by name."""
        ...


class Program(Protocol):
    """What a server needs of a program; `sage.Environment` has it."""

    name: str

    def start(self) -> AbstractAsyncContextManager[ServedJob]:
        """A job bound to a block."""
        ...


class JobHost:
    """Starts the job of a program, lends it to requests, and closes it.

    Args:
        env: the program.
        check: looks at a job that was started, and raises what makes it useless.
    """

    def __init__(self, env: Program, check: Callable[[ServedJob], None]) -> None:
        self._env = env
        self._check = check
        self._job: ServedJob | None = None
        self._was_started = False
        self._draining = False
        self._inside = 0
        self._empty = asyncio.Event()

    @property
    def started(self) -> ServedJob | None:
        """The job, whatever its state; `None` if there is none."""
        return self._job

    @property
    def inside(self) -> int:
        """How many requests are under way."""
        return self._inside

    @property
    def alive(self) -> bool:
        """Whether the job runs, or finishes what is inside."""
        return self._job is not None and not self._job.status.is_final

    @property
    def ready(self) -> bool:
        """Whether requests are taken."""
        return self._job is not None and self._job.status == ExecutionStatus.RUNNING and not self._draining

    @property
    def job(self) -> ServedJob:
        """The job, for a request.

        Raises:
            RequestError: with status 503, no requests are taken.
        """
        if self._job is None or not self.ready:
            if not self._was_started:
                self._was_started = True  # said once
                logger.warning(
                    "the program %r was not started: who mounts its app in another enters app.lifespan() there",
                    self._env.name,
                )
            raise draining()
        return self._job

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request is under way for a block."""
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def drain(self) -> None:
        """Take no more requests; return when those under way are answered.

        Cancel safety: still no requests are taken.
        """
        self._draining = True
        if self._inside:
            await self._empty.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the job run for a block.

        Cancel safety: the job is closed.

        Raises:
            GraphError: it runs already, the program cannot run, or lacks an endpoint that is to be served.
            JobFailed: the job failed meanwhile.
        """
        if self._job is not None:
            raise GraphError(f"the server of {self._env.name!r} is running already; enter app.lifespan() once")
        self._was_started = True
        register_types()
        async with self._env.start() as job:
            self._check(job)
            self._job, self._draining = job, False
            try:
                yield
            finally:
                self._job = None

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """Have the job run for as long as the server does, which says so in the protocol of ASGI.

        Cancel safety: the job is closed.
        """
        await receive()
        started = False
        try:
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                started = True
                await receive()
        except Exception as error:
            if not isinstance(error, GraphError):  # of a wrong program the message says all, and the server tells it
                logger.error("the job of %r failed", self._env.name, exc_info=error)
            await send({"type": f"lifespan.{'shutdown' if started else 'startup'}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})
