"""A task: one subtask of an operator as an actor. It owns its logic, its inputs and its outputs.

::

                   ┌──────────── mailbox ◀── timers, finished calls, control
                   ▼
    gate ──▶  OperatorTask  ──▶ router
                   │ calls, one thing at a time
                   ▼
                 logic

Life: ``open ── (all tasks of the job are open) ── work ── end ── close``. After an error or a cancellation it goes
straight to ``close``, which is shielded. What its functions have started and not awaited ends behind that. The end of
its input reaches a task behind all records, and goes on behind all that it emits.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

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

__all__ = ["Fittings", "Task"]

_OfTuple = type(iter(()))


class Fittings(NamedTuple):
    """What every task is made with."""

    #: Which one it is.
    subtask: Subtask
    #: What it lends to its logic.
    context: TaskContext
    #: How it is reached.
    mailbox: Mailbox
    #: Its outputs.
    router: Router
    #: The one of the job.
    stretch: Stretch


class Task(ABC):
    """What tasks of sources and of operators share.

    Args:
        fittings: see there.
    """

    def __init__(self, fittings: Fittings) -> None:
        self.subtask, self.context, self.mailbox, self.router, self.stretch = fittings
        self.meter = Meter(self.stretch)
        self._budget = self.context.budget
        # Seconds to wait before the next emission.
        self._pause: float | None = None
        # Whether emissions may be left where they pause when nobody wants them any more.
        self._leaves_off = True
        # What went wrong when it worked in the stretch of somebody else: raised at its own next turn.
        self._error: BaseException | None = None

    async def run(self, opened: Rendezvous) -> None:
        """Live from open to close.

        Cancel safety: when cancelled, it is closed all the same.
        """
        self.context.enter()
        try:
            await self._live(opened)
            await self.context.started.wait()
        finally:
            await self.context.started.cancel()

    def drain(self) -> None:
        """Let the functions know that the job drains: what is inside is finished."""
        self.context.should_stop = True

    async def _live(self, opened: Rendezvous) -> None:
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
        except BaseException as ending:
            self.context.should_stop = True  # what blocks in a thread cannot be told otherwise, and is waited for
            if self._error is not None and self._error is not ending:  # it was cancelled before its next turn
                self.context.logger.error("%s failed while it was cancelled", self.context.name, exc_info=self._error)
            try:
                await self._leave()
            except (Exception, asyncio.CancelledError) as error:  # what came first is what the job tells
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
            if not await self.recover():
                return
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

    async def recover(self) -> bool:
        """Wait for what `send` has met: no room downstream, a pause, or the budget used up.

        Tells whether to go on: not if nobody wants the rest any more, and a pause was cut short by that.

        Cancel safety: what was not sent is still held.
        """
        if self._pause is not None:
            pause, self._pause = self._pause, None
            self.meter.turn(IDLE)
            await self._rest_for(pause)
            self.meter.turn(BUSY)
            return not (self._leaves_off and self.router.all_closed)
        if self.router.holds_back:
            await self.flush()
        else:
            await self.give_way()
        return True

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

    async def _rest_for(self, seconds: float) -> None:
        mailbox, router = self.mailbox, self.router
        if not self._leaves_off:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not router.all_closed:
                    mailbox.woken = False
                    await mailbox.arrival()
        mailbox.woken = True  # what has come meanwhile was not looked at

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
