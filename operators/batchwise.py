"""Asynchronous work on whole batches, one at a time and in order: what sinks that do input and output share."""

import asyncio
from abc import abstractmethod
from collections import deque
from typing import Any

from sage.operators.contract import Context, Emissions, Logic
from sage.operators.elements import Batch

__all__ = ["BatchwiseLogic"]


class BatchwiseLogic(Logic):
    """Delivers batches by an async method. Derived classes say how: `deliver`.

    While one batch is on its way, one more may wait.
    """

    def __init__(self) -> None:
        self.context: Context
        self._waiting: deque[Any] = deque()
        # Delivers what waits; ends when nothing does.
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    async def open(self, context: Any) -> None:
        """See `Logic.open`.

        Cancel safety: as `Logic.open`.
        """
        self.context = context

    def prepare(self, batch: Batch[Any]) -> Any:
        """What `deliver` is called with: the place for work that must not leave the logic's own task."""
        return batch

    @abstractmethod
    async def deliver(self, prepared: Any) -> None:
        """Deliver one batch. It is called for the next one when it has returned.

        Cancel safety: it is never cancelled; `close` waits for it.
        """

    @property
    def has_room(self) -> bool:
        """Whether no batch waits."""
        return not self._waiting

    @property
    def pending(self) -> bool:
        """Whether a batch waits or is on its way, or an error was not told yet."""
        return self._task is not None or self._error is not None

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        """See `Logic.process`."""
        self._waiting.append(self.prepare(batch))
        if self._task is None and self._error is None:
            name = f"{self.context.name}[{self.context.subtask_index}]"
            self._task = asyncio.get_running_loop().create_task(self._deliver_all(), name=name)
        return ()

    def collect(self) -> Emissions:
        """See `Logic.collect`: nothing but the error of a delivery, raised."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return ()

    async def close(self) -> None:
        """Wait for the batch that is on its way; what waits is dropped.

        Cancel safety: as `Logic.close`.
        """
        self._waiting.clear()
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._error is not None:  # it came too late to fail the job, which ends for another reason
            self.context.logger.error("%s: failed while it was closed", self.context.name, exc_info=self._error)

    async def _deliver_all(self) -> None:
        try:
            while self._waiting:
                prepared = self._waiting.popleft()
                self.context.wake()  # there is room again
                await self.deliver(prepared)
        except Exception as error:
            self._error = error
            self._waiting.clear()
        finally:
            self._task = None
            self.context.wake()
