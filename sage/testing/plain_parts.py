"""The subtasks of a program that `PlainEngine` evaluates: what each does, what waits for it, and whom it feeds."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sage.graph import Subtask
from sage.operators.contract import Emissions, Logic, Tagged, Wait
from sage.operators.elements import Batch, EndOfStream, Watermark
from sage.operators.source import Outlet, PullReader, PushReader, SourceLogic
from sage.runtime import TaskContext
from sage.runtime.mailbox import Mailbox
from sage.testing.clock import ManualClock

__all__ = ["Input", "Output", "PlainOperator", "PlainPart", "PlainSource"]


@dataclass(eq=False)
class Input:
    """What one subtask has from another over one edge."""

    sender: "PlainPart"
    receiver: "PlainOperator"
    port: int
    ended: bool = False
    #: The highest so far, in microseconds; `None` before the first.
    watermark: int | None = None

    def put(self, element: Batch[Any] | Watermark | EndOfStream) -> None:
        """Leave an element for the receiver, if it still wants any."""
        if not self.receiver.ended:
            self.receiver.inbox.append((self, element))


@dataclass(frozen=True)
class Output:
    """An edge as one sending subtask has it."""

    name: str | None
    split: Callable[[Batch[Any]], Iterable[tuple[int, Batch[Any]]]]
    targets: list[Input]


class PlainPart(ABC):
    """What sources and operators share.

    Args:
        subtask: which one it is.
        context: what it lends to the logic.
        clock: moved by every `Wait`.
    """

    def __init__(self, subtask: Subtask, context: TaskContext, clock: ManualClock) -> None:
        self.subtask = subtask
        self.context = context
        self.outputs: list[Output] = []
        #: Whether `open` was called, so that `close` has to be.
        self.opening = False
        #: Whether it is through, by itself or because nobody wants more of it.
        self.ended = False
        self.records_in = 0
        self.records_out = 0
        self.dropped = 0
        self._clock = clock

    @property
    def unwanted(self) -> bool:
        """Whether it has readers and all of them have ended."""
        return bool(self.outputs) and all(target.receiver.ended for output in self.outputs for target in output.targets)

    async def open(self) -> None:
        """Open the logic.

        Cancel safety: `close` has to be called.
        """
        self.opening = True
        await self.open_logic()

    @abstractmethod
    async def open_logic(self) -> None:
        """Open the logic.

        Cancel safety: `close` has to be called.
        """

    @abstractmethod
    async def turn(self) -> bool:
        """Work on what there is; tell whether there was anything.

        Cancel safety: the job is done for.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the logic.

        Cancel safety: the caller shields it.
        """

    def emit(self, emissions: Emissions) -> None:
        """Pass emissions on."""
        for emission in emissions:
            if isinstance(emission, Wait):
                self._clock.advance(emission.seconds)
            elif isinstance(emission, Tagged):
                self._route(emission.batch, emission.output)
            elif isinstance(emission, Watermark):
                self._mark(emission)
            else:
                self._route(emission, None)

    def finish(self) -> None:
        """Be through, and tell the readers."""
        self.ended = True
        self._mark(EndOfStream())

    def _route(self, batch: Batch[Any], name: str | None) -> None:
        self.records_out += len(batch)
        outputs = [output for output in self.outputs if output.name == name]
        if name is not None and not outputs:
            self.dropped += len(batch)
        for output in outputs:
            for index, piece in output.split(batch):
                output.targets[index].put(piece)

    def _mark(self, element: Watermark | EndOfStream) -> None:
        for output in self.outputs:
            for target in output.targets:
                target.put(element)


class PlainSource(PlainPart):
    """A source: gives one batch a turn.

    Args:
        logic: where the records come from.
        wake: called when an asynchronous source has something, or has ended.
    """

    def __init__(
        self,
        subtask: Subtask,
        context: TaskContext,
        clock: ManualClock,
        logic: SourceLogic[Any],
        wake: Callable[[], None],
    ) -> None:
        super().__init__(subtask, context, clock)
        self._logic = logic
        self._wake = wake
        self._reader: PullReader[Any] | PushReader[Any]
        self._outlet: Outlet[Any]
        self._producer: asyncio.Task[None] | None = None

    async def open_logic(self) -> None:
        """See `PlainPart.open_logic`.

        Cancel safety: `close` has to be called.
        """
        self._reader = await self._logic.open(self.context)

    async def turn(self) -> bool:
        """See `PlainPart.turn`.

        Cancel safety: the job is done for.
        """
        if self.ended:
            return False
        if isinstance(self._reader, PullReader):
            self._pull(self._reader)
            return True
        return await self._push(self._reader)

    async def close(self) -> None:
        """See `PlainPart.close`.

        Cancel safety: the caller shields it.
        """
        try:
            await self._stop()
        finally:
            await self._logic.close()

    def _pull(self, reader: PullReader[Any]) -> None:
        stopped = self.context.should_stop or self.unwanted
        values = [] if stopped else reader.read(self.context.batch_size)
        if values:
            self.emit((self._logic.batch(values),))
        else:
            self.finish()

    async def _push(self, reader: PushReader[Any]) -> bool:
        if self._producer is None:
            limit, budget = self.context.batch_size, self.context.budget
            self._outlet = Outlet(limit, budget, self._wake)
            self._producer = asyncio.get_running_loop().create_task(reader.run(self._outlet))
            self._producer.add_done_callback(lambda _: self._wake())
        if self.context.should_stop or self.unwanted:
            await self._stop()
        over = self._producer.done()
        values = self._outlet.take()
        size = self.context.batch_size
        self.emit(self._logic.batch(values[start : start + size]) for start in range(0, len(values), size))
        if over:
            if not self._producer.cancelled():
                self._producer.result()
            elif not (self.context.should_stop or self.unwanted):
                raise asyncio.CancelledError  # from within: something that the source awaited was cancelled
            self.finish()
        return over or bool(values)

    async def _stop(self) -> None:
        if self._producer is not None and not self._producer.done():
            self._producer.cancel()
            await asyncio.wait([self._producer])


class PlainOperator(PlainPart):
    """An operator: works on all that waits for it.

    Args:
        logic: what it does.
        mailbox: where its timers and finished calls arrive.
    """

    def __init__(
        self, subtask: Subtask, context: TaskContext, clock: ManualClock, logic: Logic, mailbox: Mailbox
    ) -> None:
        super().__init__(subtask, context, clock)
        self.inputs: list[Input] = []
        self.inbox: deque[tuple[Input, Batch[Any] | Watermark | EndOfStream]] = deque()
        self._logic = logic
        self._mailbox = mailbox
        self._watermark: int | None = None

    async def open_logic(self) -> None:
        """See `PlainPart.open_logic`.

        Cancel safety: `close` has to be called.
        """
        await self._logic.open(self.context)

    async def turn(self) -> bool:
        """See `PlainPart.turn`.

        Cancel safety: the job is done for.
        """
        if self.ended:
            return False
        moved = bool(self.inbox) or self._mailbox.woken
        while self.inbox and not self._logic.finished:
            await self._room()
            self._handle(*self.inbox.popleft())
        if self._logic.finished or self.unwanted:
            self.finish()
            self.inbox.clear()
            return True
        await self._settle()
        if all(entry.ended for entry in self.inputs) and not self.inbox:
            await self._end()
            return True
        return moved

    async def give_out(self) -> None:
        """Give out what is held back for company.

        Cancel safety: the job is done for.
        """
        if not self.ended:
            await self._settle()
            self.emit(self._logic.flush())
            await self._settle()

    async def close(self) -> None:
        """See `PlainPart.close`.

        Cancel safety: the caller shields it.
        """
        await self._logic.close()

    async def _end(self) -> None:
        await self.give_out()
        self.emit(self._logic.end())
        self.finish()

    def _handle(self, entry: Input, element: Batch[Any] | Watermark | EndOfStream) -> None:
        if isinstance(element, Batch):
            self.records_in += len(element)
            self.emit(self._logic.process(element, entry.port))
            return
        if isinstance(element, Watermark):
            entry.watermark = element.timestamp if entry.watermark is None else max(entry.watermark, element.timestamp)
        else:
            entry.ended = True
        self._pass_watermark()

    def _pass_watermark(self) -> None:
        """The lowest of all inputs counts."""
        marks = [entry.watermark for entry in self.inputs if not entry.ended]
        known = [mark for mark in marks if mark is not None]
        if not known or len(known) < len(marks) or (self._watermark is not None and min(known) <= self._watermark):
            return
        self._watermark = min(known)
        watermark = Watermark(self._watermark)
        self.emit(self._logic.on_watermark(watermark))
        if not self._logic.keeps_watermark(watermark):
            self.emit((watermark,))

    async def _room(self) -> None:
        while not self._logic.has_room:
            await self._next_mail()

    async def _settle(self) -> None:
        """Wait until nothing is under way inside."""
        self._read_mail()
        while self._logic.pending or self._mailbox.woken:
            await self._next_mail()

    async def _next_mail(self) -> None:
        if not self._mailbox.woken:
            await self._mailbox.arrival()
        self._read_mail()

    def _read_mail(self) -> None:
        mailbox = self._mailbox
        mailbox.woken = False
        while mailbox.mail:
            self.emit(self._logic.on_timer(mailbox.mail.popleft().payload))
        if mailbox.collect_due:
            mailbox.collect_due = False
            self.emit(self._logic.collect())
