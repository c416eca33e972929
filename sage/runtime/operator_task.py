"""The task of an operator: elements come from its gate, its logic works on them, what that emits is sent on."""

from collections.abc import Iterator
from contextvars import copy_context
from time import perf_counter
from typing import Any

from sage.operators.calls import CallHolder, alive, left
from sage.operators.contract import Emission, Logic
from sage.operators.elements import Barrier, Batch, EndOfStream, Watermark
from sage.operators.pace import Pace
from sage.runtime.feedback import Probe
from sage.runtime.gate import Gate, Input
from sage.runtime.mailbox import Mail, MailKind
from sage.runtime.metrics import BUSY, IDLE
from sage.runtime.task import Fittings, Task

__all__ = ["OperatorTask"]

# How many tasks may work inside of each other: each takes a few frames of Python's stack.
_DEEPEST = 40


class OperatorTask(Task):
    """A task with inputs.

    Args:
        fittings: as for `Task`.
        gate: its inputs.
        logic: what it does with them.
    """

    def __init__(self, fittings: Fittings, gate: Gate, logic: Logic) -> None:
        super().__init__(fittings)
        self.gate = gate
        self.logic = logic
        self._leaves_off = not logic.holds_calls  # one that does may let go of calls at the end of its emissions
        self._dead = self.context.dead_calls
        self._always_room = type(logic).has_room is Logic.has_room
        # Whether it waits for nothing but a batch or mail, and may work on one at once.
        self._at_hand = False
        # What the task sees once it is open: so a function finds that, whoever has it called. What a function sets in
        # turn is kept here or in the task, by who has called it.
        self._surroundings = copy_context()
        # What work on the spot has left to do.
        self._rest: tuple[Iterator[Emission], int] | None = None
        self._pace = Pace(self._budget, self.context.batch_size)
        # Whether it has ended by itself.
        self._over = False

    async def open(self) -> None:
        """See `Task.open`.

        Cancel safety: `close` is called.
        """
        await self.logic.open(self.context)
        self._surroundings = copy_context()

    async def work(self) -> None:
        """See `Task.work`.

        Cancel safety: `close` is called.
        """
        # A turn for each batch or mark. Nearly all records go through here, and a single one must not pay for more than
        # it needs: one coroutine that waits, and the clock read once behind the work and once behind the wait.
        gate, logic, mailbox, meter, router = self.gate, self.logic, self.mailbox, self.meter, self.router
        pace, budget, stretch = self._pace, self._budget, self.stretch
        always_room = self._always_room
        now = perf_counter()
        while not (logic.finished or router.all_closed):
            if self._rest is not None or self._error is not None:
                await self._go_on()
                now = perf_counter()
                continue  # it may have been the last
            if mailbox.mail or mailbox.collect_due:
                await self._read_mail()
                now = perf_counter()
                if self._is_done():
                    break
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
                    break
                now = perf_counter()
                continue
            elif mailbox.woken:  # something has come since it began to look around
                mailbox.woken = False
                continue
            # As `wait`, written out. While all places of a pool are taken it is the one that others wait for: busy.
            meter.busy += now - meter.since - stretch.inner
            meter.since = now
            meter.state = IDLE if has_room else BUSY
            self._at_hand = has_room
            await mailbox.arrival()
            self._at_hand = mailbox.woken = False
            now = perf_counter()
            if has_room:
                meter.idle += now - meter.since
                meter.since = now
                meter.state = BUSY
            stretch.inner = 0.0
            stretch.ends = now + budget
        if self._rest is not None or self._error is not None:  # nobody wants it, but its calls are to know
            await self._go_on()
        self._over = True

    def _is_done(self) -> bool:
        """Whether it wants nothing more, or nobody wants anything more of it."""
        return self.logic.finished or self.router.all_closed

    async def close(self) -> None:
        """See `Task.close`.

        Cancel safety: it is shielded.
        """
        self._at_hand = False
        # If it is not over, the job is failing or cancelled. To those upstream a closed gate would look as if their
        # records were not wanted any more, and to callers as if their answers were whole: it is closed with the job.
        try:
            if self._over:
                await self._want_no_more()
        finally:
            await self.logic.close()

    async def _want_no_more(self) -> None:
        self._drop_rest()
        await self.gate.aclose()
        if isinstance(self.logic, CallHolder):
            self.logic.abandon()

    def _drop_rest(self) -> None:
        """What has come and nobody wants any more does not keep its calls from ending."""
        while (element := self.gate.next()) is not None:
            if isinstance(element, Batch) and element.calls:
                left(element.calls)

    def work_at_once(self, entry: Input, batch: Batch[Any]) -> bool:
        """Work on a batch in the stretch of whoever sends it, if this task only waits for one; tell whether it did."""
        if not self._at_hand or self.mailbox.woken:
            return False
        stretch, meter, records = self.stretch, self.meter, len(batch.values)
        began = perf_counter()
        if (
            began > stretch.ends
            or stretch.depth >= _DEEPEST
            or (records > self._pace.size and not self.logic.takes_whole_batches)
            or not (self._always_room or self.logic.has_room)
            or not self.gate.free(entry)
        ):
            return False
        self._at_hand = False
        stretch.depth += 1
        before, stretch.inner = stretch.inner, 0.0
        meter.idle += began - meter.since
        meter.since = began
        meter.state = BUSY
        self._surroundings.run(self._work_on, batch, entry.port, records)
        ended = perf_counter()
        meter.busy += ended - began - stretch.inner
        meter.since = ended
        meter.state = IDLE
        stretch.inner = before + ended - began
        stretch.depth -= 1
        if self._rest is None and self._error is None and not (self.logic.finished or self.router.all_closed):
            self._at_hand = True
            pace = self._pace
            if records == pace.size or ended - began > self._budget:
                pace.took(records, ended - began)
        else:
            self.mailbox.wake()
        return True

    def _work_on(self, batch: Batch[Any], port: int, records: int) -> None:
        self.meter.records_in += records
        self.gate.port = port
        try:
            wanted = batch if batch.calls is None else self._wanted(batch)
            if wanted is None:
                return
            emissions = iter(self.logic.process(wanted, port))
            if self.send(emissions):
                if batch.calls is not None:
                    self._let_go()
            else:
                self._rest = emissions, records
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # it is this task's, and not that of whoever sent the batch
            self._error = error

    async def _go_on(self) -> None:
        """Do what work on the spot has left to do."""
        if self._error is not None:
            raise self._error
        assert self._rest is not None
        (emissions, records), self._rest = self._rest, None
        await self._send_rest(emissions, records, perf_counter())
        self._let_go()

    def _wanted(self, batch: Batch[Any]) -> Batch[Any] | None:
        """Of records of calls those that somebody waits for. Unless the logic keeps them, `_let_go` is to follow."""
        wanted = alive(batch) if self._dead else batch
        if wanted is not None and not self.logic.holds_calls:
            self.router.moving = wanted.calls
        return wanted

    def _let_go(self) -> None:
        """What was worked on is inside no more, unless something was emitted in its place."""
        moving, self.router.moving = self.router.moving, None
        if moving is not None:
            left(moving)

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
        records = len(batch.values)
        self.meter.records_in += records
        if records > self._pace.size and not self.logic.takes_whole_batches:
            await self._in_pieces(batch, records)
        else:
            await self._piece(batch)

    async def _piece(self, batch: Batch[Any]) -> None:
        wanted = batch if batch.calls is None else self._wanted(batch)
        if wanted is None:
            return
        records = len(wanted.values)
        began = perf_counter()
        emissions = iter(self.logic.process(wanted, self.gate.port))
        if self.send(emissions) or await self._send_rest(emissions, records, began):
            self._pace.took(records, perf_counter() - max(began, self.meter.since))
        self._let_go()

    async def _in_pieces(self, batch: Batch[Any], records: int) -> None:
        """Have the logic work on a long batch, in pieces that keep within the budget."""
        pace, start = self._pace, 0
        while start < records and not self._is_done():
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
            if not await self.recover() or self.send(emissions):
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
            if not self.logic.pending or self._is_done():
                break
            await self.wait()
        self.mailbox.woken = True  # what woke it may have been data, and `work` has not looked for that

    async def _read_mail(self) -> None:
        mailbox = self.mailbox
        while mailbox.mail:
            await self.on_mail(mailbox.mail.popleft())
        if mailbox.collect_due:
            mailbox.collect_due = False
            await self.emit(self.logic.collect())
