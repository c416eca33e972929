"""The records of a running program, one by one, for ``async for``."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar

from sage.errors import GraphError
from sage.jobs import Job
from sage.operators.contract import Context, Emissions, Logic, Operator
from sage.operators.elements import Batch

__all__ = ["Records"]

T = TypeVar("T")


class Records(Generic[T]):
    """An async context manager that runs a program, and whose value iterates over the records of one of its streams.

    Args:
        start: makes a job of the program in which the stream goes to the given sink.
    """

    def __init__(self, start: Callable[[Operator[T, Any]], Job]) -> None:
        self._start = start
        self._job: Job | None = None
        self._handover = _Handover()
        self._iterator: AsyncGenerator[T, None]

    @property
    def job(self) -> Job:
        """The job that is running.

        Raises:
            GraphError: outside of the block.
        """
        if self._job is None:
            raise GraphError("a stream is read inside a block: async with stream.open() as records: ...")
        return self._job

    async def __aenter__(self) -> AsyncIterator[T]:
        if self._job is not None:
            raise GraphError("this block was entered before; build the program anew to read it again")
        self._job = await self._start(_HandoverSink(self._handover)).__aenter__()
        self._job.on_end(self._handover.arrived)
        self._iterator = self._iterate(self._job)
        return self._iterator

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._iterator.aclose()
        await self.job.__aexit__(kind, error, traceback)

    async def _iterate(self, job: Job) -> AsyncGenerator[T, None]:
        handover = self._handover
        while True:
            while handover.values:
                yield handover.take()
            if job.status.is_final:
                await job.wait()
                return
            await handover.arrival()


class _Handover:
    """Records on their way from the job to the reader."""

    def __init__(self) -> None:
        self.values: deque[Any] = deque()
        self.context: Context | None = None
        self._waiting: asyncio.Future[None] | None = None

    def take(self) -> Any:
        value = self.values.popleft()
        if not self.values and self.context is not None:
            self.context.wake()  # there is room again
        return value

    def put(self, values: list[Any]) -> None:
        self.values.extend(values)
        self.arrived()

    def arrived(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def arrival(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting


@dataclass(frozen=True)
class _HandoverSink(Operator[T, Any]):
    kind: ClassVar[str] = "open"

    handover: _Handover

    def build(self, subtask: int, parallelism: int) -> Logic:
        return _HandoverLogic(self.handover)


class _HandoverLogic(Logic):
    """Takes the next batch once the reader has had the one before."""

    takes_whole_batches = True

    def __init__(self, handover: _Handover) -> None:
        self._handover = handover

    @property
    def has_room(self) -> bool:
        return not self._handover.values

    async def open(self, context: Any) -> None:
        self._handover.context = context

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        self._handover.put(batch.values)
        return ()
