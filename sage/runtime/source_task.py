"""The task of a source: asks a reader for records while there is room downstream."""

import asyncio
from typing import Any

import anyio

from sage.operators.calls import left
from sage.operators.source import Outlet, PullReader, PushReader, SourceLogic
from sage.runtime.task import Fittings, Task

__all__ = ["SourceTask"]


class SourceTask(Task):
    """A task without inputs.

    Args:
        fittings: as for `Task`.
        logic: where the records come from.
    """

    def __init__(self, fittings: Fittings, logic: SourceLogic[Any]) -> None:
        super().__init__(fittings)
        self._logic = logic
        self._reader: PullReader[Any] | PushReader[Any]
        # Whether the task waits and has nothing in hand.
        self._idle = False

    async def open(self) -> None:
        """See `Task.open`.

        Cancel safety: `close` is called.
        """
        self._reader = await self._logic.open(self.context)

    async def work(self) -> None:
        """See `Task.work`.

        Cancel safety: `close` is called.
        """
        if isinstance(self._reader, PullReader):
            await self._pull(self._reader)
        else:
            await self._push(self._reader)

    async def close(self) -> None:
        """See `Task.close`.

        Cancel safety: it is shielded.
        """
        await self._logic.close()

    @property
    def _done(self) -> bool:
        return self.context.should_stop or self.router.all_closed

    async def _pull(self, reader: PullReader[Any]) -> None:
        limit = self.context.batch_size
        while not self._done:
            values = reader.read(limit)
            if not values:
                return
            await self.emit((self._logic.batch(values),))

    async def _push(self, reader: PushReader[Any]) -> None:
        mailbox, context = self.mailbox, self.context
        outlet: Outlet[Any] = Outlet(context.batch_size, context.budget, mailbox.wake, self._pass_on)
        name = f"{self.subtask.name} reader"
        producer = asyncio.get_running_loop().create_task(reader.run(outlet), name=name)
        producer.add_done_callback(lambda _: mailbox.wake())
        try:
            await self._forward_until_done(outlet, producer)
        except BaseException:
            await self._stop(producer, outlet)
            error = None if producer.cancelled() else producer.exception()
            if error is not None and not isinstance(error, (SystemExit, KeyboardInterrupt)):  # the loop raises those
                context.logger.error("%s failed while it was cancelled", name, exc_info=error)
            raise
        stopped = not producer.done()
        await self._stop(producer, outlet)
        await self.flush()
        if outlet:
            await self._forward(outlet)
        if not (stopped and producer.cancelled()):  # else it ended as it was asked to
            producer.result()

    async def _forward_until_done(self, outlet: Outlet[Any], producer: "asyncio.Task[None]") -> None:
        """Send what the reader gives until it has ended, or shall end."""
        mailbox = self.mailbox
        try:
            while self._error is None and not (producer.done() or self._done):
                mailbox.woken = False
                if self.router.holds_back:  # what `_pass_on` has left comes first
                    await self.flush()
                elif outlet:
                    await self._forward(outlet)
                else:
                    self._idle = True
                    await self.wait()
                    self._idle = False
        finally:
            self._idle = False
        if self._error is not None:
            raise self._error

    def _pass_on(self, value: Any) -> bool:
        """Send a record straight from the reader's task: while this task waits, nothing can be in its way."""
        if not self._idle or self.router.holds_back:
            return False
        self.meter.records_out += 1
        self.stretch.begin()
        batch = self._logic.batch([value])
        try:
            if not self.router.offer(batch):
                self.mailbox.wake()
            if batch.calls is not None:
                left(batch.calls)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # it is this task's, and not that of whoever has put the record
            self._error = error
            self._idle = False
            self.mailbox.wake()
        self.stretch.inner = 0.0
        return True

    async def _stop(self, producer: "asyncio.Task[None]", outlet: Outlet[Any]) -> None:
        """End the producer, by a drain or with the job, and wait until it has closed what it reads."""
        if not producer.done():
            outlet.close()
            producer.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([producer])

    async def _forward(self, outlet: Outlet[Any]) -> None:
        batch, limit = self._logic.batch(outlet.take()), self.context.batch_size
        if len(batch) <= limit:
            await self.emit((batch,))
        else:
            await self.emit(batch.slice(start, start + limit) for start in range(0, len(batch), limit))
        if batch.calls is not None:
            left(batch.calls)

    def drain(self) -> None:
        """Read no more; what was read goes on its way."""
        super().drain()
        self.mailbox.wake()
