"""The task of an operator: elements come from its gate, its logic works on them, what that emits is sent on."""

from collections.abc import Iterator
from time import perf_counter
from typing import Any

from sage.graph.plan import Subtask
from sage.operators.calls import alive, left
from sage.operators.contract import Emission, Logic
from sage.operators.elements import Barrier, Batch, EndOfStream, Watermark
from sage.operators.pace import Pace
from sage.runtime.context import TaskContext
from sage.runtime.feedback import Probe
from sage.runtime.gate import Gate
from sage.runtime.mailbox import Mail, Mailbox, MailKind
from sage.runtime.metrics import BUSY, IDLE
from sage.runtime.router import Router
from sage.runtime.task import Task

__all__ = ["OperatorTask"]


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
        self._dead = context.dead_calls
        self._pace = Pace(context.budget, context.batch_size)
        # Whether it has ended before its input.
        self._leaves_rest = False

    async def open(self) -> None:
        """See `Task.open`.

        Cancel safety: `close` is called.
        """
        await self.logic.open(self.context)

    async def work(self) -> None:
        """See `Task.work`.

        Cancel safety: `close` is called.
        """
        # A turn for each batch or mark. Nearly all records go through here, and a single one must not pay for more than
        # it needs: one coroutine that waits, and the clock read once behind the work and once behind the wait.
        gate, logic, mailbox, meter, router = self.gate, self.logic, self.mailbox, self.meter, self.router
        pace, budget = self._pace, self._budget
        always_room = type(logic).has_room is Logic.has_room
        now = perf_counter()
        while not (logic.finished or router.all_closed):
            if mailbox.mail or mailbox.collect_due:
                await self._read_mail()
                now = perf_counter()
            has_room = always_room or logic.has_room
            element = gate.next() if has_room else None
            if type(element) is Batch:
                if element.calls is not None:
                    await self._work_for_calls(element)
                    element = None
                    now = perf_counter()
                    if now - meter.since > budget:
                        await self.give_way()
                        now = meter.since
                    continue
                records = len(element.values)
                meter.records_in += records
                if records > pace.size and not logic.takes_whole_batches:
                    await self._in_pieces(element, records)
                    now = perf_counter()
                else:
                    began = now
                    emissions = iter(logic.process(element, gate.port))
                    in_time = self.send(emissions) or await self._send_rest(emissions, records, began)
                    now = perf_counter()
                    if in_time and (records == pace.size or now - began > budget):
                        pace.took(records, now - began)
                    del emissions
                element = None  # let go of the records before others are made: their memory is still warm
                if gate.ready or mailbox.woken or not always_room or logic.finished:
                    if now - meter.since > budget:
                        await self.give_way()
                        now = meter.since
                    continue
            elif element is not None:
                if await self._handle(element):
                    return
                now = perf_counter()
                continue
            elif mailbox.woken:  # something has come since it began to look around
                mailbox.woken = False
                continue
            # As `wait`, written out. While all places of a pool are taken it is the one that others wait for: busy.
            meter.busy += now - meter.since
            meter.since = now
            meter.state = IDLE if has_room else BUSY
            await mailbox.arrival()
            mailbox.woken = False
            now = perf_counter()
            if has_room:
                meter.idle += now - meter.since
                meter.since = now
                meter.state = BUSY
        self._leaves_rest = True

    async def close(self) -> None:
        """See `Task.close`.

        Cancel safety: it is shielded.
        """
        if self._leaves_rest:
            self._drop_rest()
        await self.gate.aclose()
        await self.logic.close()

    def _drop_rest(self) -> None:
        """What has come and nobody wants any more does not keep its calls from ending."""
        while (element := self.gate.next()) is not None:
            if isinstance(element, Batch) and element.calls:
                left(element.calls)

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

    async def _work_for_calls(self, batch: Batch[Any]) -> None:
        """Have the logic work on records of calls: those of dead ones are dropped, and the others counted."""
        self.meter.records_in += len(batch.values)
        records = len(batch.values)
        if records > self._pace.size and not self.logic.takes_whole_batches:
            await self._in_pieces(batch, records)
        else:
            await self._piece(batch)

    async def _piece(self, batch: Batch[Any]) -> None:
        wanted = alive(batch) if self._dead and batch.calls is not None else batch
        if wanted is None:
            return
        pace, router, records = self._pace, self.router, len(wanted.values)
        if not self.logic.holds_calls:
            router.moving = wanted.calls
        began = perf_counter()
        emissions = iter(self.logic.process(wanted, self.gate.port))
        if self.send(emissions) or await self._send_rest(emissions, records, began):
            pace.took(records, perf_counter() - max(began, self.meter.since))
        if router.moving is not None:
            moving, router.moving = router.moving, None
            left(moving)

    async def _in_pieces(self, batch: Batch[Any], records: int) -> None:
        """Have the logic work on a long batch, in pieces that keep within the budget."""
        pace, start = self._pace, 0
        while start < records and not (self.logic.finished or self.router.all_closed):
            stop = min(start + pace.size, records)
            await self._piece(batch.slice(start, stop))
            start = stop
            if perf_counter() - self.meter.since > self._budget:
                await self.give_way()
        if batch.calls is not None and start < records:
            left(batch.calls[start:])

    async def _send_rest(self, emissions: Iterator[Emission], records: int, began: float) -> bool:
        """Send on what `send` had to stop at, and tell whether the piece of so many records was in time.

        If it was not, the pace is told.
        """
        in_time = True
        while True:
            # If it has waited in between, only what it did since then counts.
            seconds = perf_counter() - max(began, self.meter.since)
            if seconds > self._budget:
                self._pace.took(records, seconds)
                in_time = False
            await self.recover()
            if self.send(emissions):
                return in_time

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
