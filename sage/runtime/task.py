"""A task: one subtask of an operator as an actor. It owns its logic, its inputs and its outputs.

::

                   ┌──────────── mailbox ◀── timers, finished calls, control
                   ▼
    gate ──▶  OperatorTask  ──▶ router
                   │ calls, one thing at a time
                   ▼
                 logic

Life: ``open ── (all tasks of the job are open) ── work ── end ── close``. After an error or a cancellation it goes
straight to ``close``, which is shielded. The end of its input reaches a task behind all records, and goes on behind
all that it emits.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from time import perf_counter

import anyio

from sage.graph.plan import Subtask
from sage.operators.contract import Emission, Emissions, Tagged, Wait
from sage.operators.elements import Batch
from sage.runtime.context import TaskContext
from sage.runtime.mailbox import Mailbox
from sage.runtime.metrics import BLOCKED, BUSY, IDLE, Meter
from sage.runtime.rendezvous import Rendezvous
from sage.runtime.router import Router
from sage.runtime.stretch import Stretch

__all__ = ["Task"]

_OfTuple = type(iter(()))


class Task(ABC):
    """What tasks of sources and of operators share.

    Args:
        subtask: which one it is.
        context: what it lends to its logic.
        mailbox: how it is reached.
        router: its outputs.
        stretch: the one of the job.
    """

    def __init__(
        self, subtask: Subtask, context: TaskContext, mailbox: Mailbox, router: Router, stretch: Stretch
    ) -> None:
        self.subtask = subtask
        self.context = context
        self.mailbox = mailbox
        self.router = router
        self.stretch = stretch
        self.meter = Meter(stretch)
        self._budget = context.budget
        # Seconds to wait before the next emission.
        self._pause: float | None = None

    async def run(self, opened: Rendezvous) -> None:
        """Live from open to close.

        Cancel safety: when cancelled, it is closed all the same.
        """
        self.context.enter()
        try:
            await self.open()
            await opened.arrive()
            self.meter.turn(BUSY)
            await self.work()
            if self.router.dropped:
                self.context.logger.info(
                    "%s: %d records went to side outputs that nobody reads", self.context.name, self.router.dropped
                )
            await self.router.end()
        except BaseException:
            try:
                await self._leave()
            except Exception as error:  # what came first is what the job tells
                self.context.logger.error("%s failed again while it was closed", self.context.name, exc_info=error)
            raise
        await self._leave()

    async def _leave(self) -> None:
        self.meter.turn(None)
        self.context.cancel_timers()
        with anyio.CancelScope(shield=True):
            await self.close()

    @abstractmethod
    async def open(self) -> None:
        """Get ready.

        Cancel safety: `close` is called.
        """

    @abstractmethod
    async def work(self) -> None:
        """Do everything between open and the end of the outputs.

        Cancel safety: `close` is called.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything.

        Cancel safety: it is shielded.
        """

    async def emit(self, emissions: Emissions) -> None:
        """Send emissions on, one at a time, waiting for room; give way to others when the budget is used up.

        Cancel safety: the task is done for; emissions not sent are dropped.
        """
        left = iter(emissions)
        while not self.send(left):
            await self.recover()
        if perf_counter() - self.meter.since > self._budget:
            await self.give_way()

    def send(self, emissions: Iterator[Emission]) -> bool:
        """Send emissions on as long as nothing has to be waited for; `recover` before going on if it returns False.

        All that is emitted goes through here.
        """
        meter, router = self.meter, self.router
        made = type(emissions) is _OfTuple  # else each may be made only now, and the clock is read behind it
        for emission in emissions:
            if type(emission) is Batch:
                meter.records_out += len(emission.values)
                if not router.offer(emission):
                    return False
            elif not self._send_other(emission):
                return False
            if made:
                continue
            if router.all_closed:
                return True
            if perf_counter() - meter.since > self._budget:
                return False
        return True

    async def recover(self) -> None:
        """Wait for what `send` has met: no room downstream, a pause, or the budget used up.

        Cancel safety: what was not sent is still held.
        """
        if self._pause is not None:
            pause, self._pause = self._pause, None
            self.meter.turn(IDLE)
            await asyncio.sleep(pause)
            self.meter.turn(BUSY)
        elif self.router.holds_back:
            await self.flush()
        else:
            await self.give_way()

    async def flush(self) -> None:
        """Send what is held back for lack of room.

        Cancel safety: what was not sent is still held.
        """
        self.meter.turn(BLOCKED)
        await self.router.flush()
        self.meter.turn(BUSY)

    async def give_way(self) -> None:
        """Let every other task that is ready run once.

        Cancel safety: nothing is lost.
        """
        self.meter.turn(None)
        await asyncio.sleep(0)
        self.meter.turn(BUSY)

    async def wait(self) -> None:
        """Wait for mail or data, unless some has come since `mailbox.woken` was cleared.

        Cancel safety: nothing is lost.
        """
        if not self.mailbox.woken:
            self.meter.turn(IDLE)
            await self.mailbox.arrival()
            self.meter.turn(BUSY)

    def _send_other(self, emission: Emission) -> bool:
        """Send an emission that is not a batch for the main output."""
        if isinstance(emission, Tagged):
            self.meter.records_out += len(emission.batch)
            return self.router.offer(emission.batch, emission.output)
        if isinstance(emission, Wait):
            self._pause = emission.seconds
            return False
        self.router.mark(emission)
        return True
