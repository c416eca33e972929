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
from time import perf_counter
from typing import Any

import anyio

from sage.graph.plan import Subtask
from sage.operators.contract import Emission, Emissions, Logic, Tagged, Wait
from sage.operators.elements import Barrier, Batch, EndOfStream, Watermark
from sage.operators.pace import Pace
from sage.runtime.context import TaskContext
from sage.runtime.feedback import Probe
from sage.runtime.gate import Gate
from sage.runtime.mailbox import Mail, Mailbox, MailKind
from sage.runtime.metrics import BLOCKED, BUSY, IDLE, Meter
from sage.runtime.rendezvous import Rendezvous
from sage.runtime.router import Router

__all__ = ["OperatorTask", "Task"]


class Task(ABC):
    """What tasks of sources and of operators share.

    Args:
        subtask: which one it is.
        context: what it lends to its logic.
        mailbox: how it is reached.
        router: its outputs.
    """

    def __init__(self, subtask: Subtask, context: TaskContext, mailbox: Mailbox, router: Router) -> None:
        self.subtask = subtask
        self.context = context
        self.mailbox = mailbox
        self.router = router
        self.meter = Meter()
        self._budget = context.budget

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
        meter, router = self.meter, self.router
        for emission in emissions:
            if type(emission) is Batch:
                meter.records_out += len(emission.values)
                if not router.offer(emission):
                    await self.flush()
            else:
                await self._emit_other(emission)
            if perf_counter() - meter.since > self._budget:
                await self.give_way()
            if router.all_closed:
                return

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

    async def _emit_other(self, emission: Emission) -> None:
        """Send an emission that is not a batch for the main output."""
        if isinstance(emission, Tagged):
            self.meter.records_out += len(emission.batch)
            if not self.router.offer(emission.batch, emission.output):
                await self.flush()
        elif isinstance(emission, Wait):
            self.meter.turn(IDLE)
            await asyncio.sleep(emission.seconds)
            self.meter.turn(BUSY)
        else:
            self.router.mark(emission)


class OperatorTask(Task):
    """A task with inputs.

    Args:
        gate: its inputs.
        logic: what it does with them.
    """

    def __init__(
        self, subtask: Subtask, context: TaskContext, mailbox: Mailbox, router: Router, gate: Gate, logic: Logic
    ) -> None:
        super().__init__(subtask, context, mailbox, router)
        self.gate = gate
        self.logic = logic
        self._pace = Pace(context.budget, context.batch_size)

    async def open(self) -> None:
        """See `Task.open`.

        Cancel safety: `close` is called.
        """
        await self.logic.open(self.context)

    async def work(self) -> None:
        """See `Task.work`.

        Cancel safety: `close` is called.
        """
        gate, logic, mailbox, meter, router = self.gate, self.logic, self.mailbox, self.meter, self.router
        always_room = type(logic).has_room is Logic.has_room
        pace = self._pace
        while not (logic.finished or router.all_closed):
            mailbox.woken = False
            if mailbox.mail or mailbox.collect_due:
                await self._read_mail()
            has_room = always_room or logic.has_room
            element = gate.next() if has_room else None
            if type(element) is Batch:
                records = len(element.values)
                meter.records_in += records
                await (self._work_on if records <= pace.size else self._in_pieces)(element, records)
                if gate.line or mailbox.woken or not always_room or logic.finished:
                    continue
            elif element is not None:
                if await self._handle(element):
                    return
                continue
            elif not has_room:  # all places of its pool are taken: it is the one that others wait for
                if not mailbox.woken:
                    await mailbox.arrival()
                    meter.turn(BUSY)
                continue
            if not mailbox.woken:  # as `wait`, written out: this is where a task spends its life
                now = perf_counter()
                meter.busy += now - meter.since
                meter.since = now
                meter.state = IDLE
                await mailbox.arrival()
                now = perf_counter()
                meter.idle += now - meter.since
                meter.since = now
                meter.state = BUSY

    async def close(self) -> None:
        """See `Task.close`.

        Cancel safety: it is shielded.
        """
        await self.gate.aclose()
        await self.logic.close()

    async def on_probe(self, probe: Probe) -> None:
        """A probe has come on all inputs of the feedback loop: give out what is held back, and pass it on.

        Cancel safety: the task is done for.
        """
        await self._settle()
        self.router.mark(probe, loop=probe.loop)

    async def on_mail(self, mail: Mail) -> None:
        """Handle one piece of mail.

        Cancel safety: the task is done for.
        """
        if mail.kind is MailKind.TIMER:
            await self.emit(self.logic.on_timer(mail.payload))

    async def _in_pieces(self, batch: Batch[Any], records: int) -> None:
        """Have the logic work on a long batch, in pieces that keep within the budget."""
        if self.logic.takes_whole_batches:
            await self._work_on(batch, records)
            return
        start = 0
        while start < records and not (self.logic.finished or self.router.all_closed):
            stop = min(start + self._pace.size, records)
            await self._work_on(batch.slice(start, stop), stop - start)
            start = stop

    async def _work_on(self, batch: Batch[Any], records: int) -> None:
        """Have the logic work on a piece, and learn how long that took."""
        meter, router, budget = self.meter, self.router, self._budget
        start = now = perf_counter()
        in_time = True
        for emission in self.logic.process(batch, self.gate.port):
            # As `emit`, written out: this is where nearly all records go through.
            if type(emission) is Batch:
                meter.records_out += len(emission.values)
                if not router.offer(emission):
                    await self.flush()
            else:
                await self._emit_other(emission)
            now = perf_counter()
            if now - meter.since > budget:
                # If it has waited in between, only what it did since then counts.
                self._pace.took(records, now - max(start, meter.since))
                in_time = False
                await self.give_way()
            if router.all_closed:
                return
        if in_time and records == self._pace.size:
            self._pace.took(records, now - max(start, meter.since))

    async def _handle(self, element: Any) -> bool:
        """Handle a mark; return whether the input has ended."""
        if isinstance(element, EndOfStream):
            await self._settle()
            await self.emit(self.logic.end())
            return True
        if isinstance(element, Watermark):
            await self.emit(self.logic.on_watermark(element))
            if not self.logic.keeps_watermark(element):
                self.router.mark(element)
        elif isinstance(element, Probe):
            await self.on_probe(element)
        elif isinstance(element, Barrier):
            self.router.mark(element)
        return False

    async def _settle(self) -> None:
        """Give out all that is inside: what runs, and what is held back for company."""
        await self._finish_pending()
        await self.emit(self.logic.flush())
        await self._finish_pending()

    async def _finish_pending(self) -> None:
        while True:
            self.mailbox.woken = False
            await self._read_mail()
            if not self.logic.pending or self.logic.finished or self.router.all_closed:
                return
            await self.wait()

    async def _read_mail(self) -> None:
        mailbox = self.mailbox
        while mailbox.mail:
            await self.on_mail(mailbox.mail.popleft())
        if mailbox.collect_due:
            mailbox.collect_due = False
            await self.emit(self.logic.collect())
