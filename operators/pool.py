"""Calls that run beside each other: the pool behind async and blocking functions.

Records wait in a backlog; workers, tasks of the pool, take them in order and call the function. Results go out in the
order of the records (or of their ends, with ``ordered=False``), a batch at a time, when the logic's own task collects
them::

    process ──▶ backlog ──▶ workers (at most `concurrency`) ──▶ slots ──▶ collect
                                                                 │
                              ordered: the oldest first ◀────────┘

Bounds: workers start nothing new while `batch_size` results wait to be collected. An ordered pool thus goes on working
beside a slow record for a whole batch, not just for its concurrency. A generator whose results are not collected waits,
too.

A worker whose calls do not suspend (an async function that does not await) would hold the event loop: all such workers
of a pool together get one budget for each turn of the loop.
"""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

from sage.operators.builder import BatchBuilder
from sage.operators.callables import BoundFunction
from sage.operators.contract import Context, Emissions, Logic
from sage.operators.each import EachRecord, final_failure
from sage.operators.elements import Batch, Watermark
from sage.operators.errors import InvalidOperator
from sage.operators.policies import Fail, Retry
from sage.operators.turn import Turn

__all__ = ["PoolLogic", "Slot"]


class Slot:
    """One record in the pool, and what came of it."""

    __slots__ = ("attempts", "batch", "clock", "done", "error", "outputs", "parked", "row", "segment", "value")

    #: The timeout of the call; only there in a pool that has one.
    clock: asyncio.Timeout

    def __init__(self, value: Any, batch: Batch[Any], row: int, segment: "_Segment") -> None:
        #: The record, and where it came from.
        self.value = value
        self.batch = batch
        self.row = row
        self.segment = segment
        #: Results not collected yet.
        self.outputs: list[Any] | None = None
        self.done = False
        self.error: BaseException | None = None
        self.attempts = 1
        #: Set while its generator waits for results to be collected.
        self.parked: asyncio.Future[None] | None = None


class _Segment:
    """The records between two watermarks, of which `left` are not given out whole yet."""

    __slots__ = ("left", "watermark")

    def __init__(self) -> None:
        self.left = 0
        #: What goes out behind them, once it is known.
        self.watermark: Watermark | None = None


class PoolLogic(Logic):
    """Runs an async function for each record, a bounded number at a time.

    Derived classes say how: `start` and `results`.

    Args:
        operator: the description.
        bound: the function.
        rows: how many records of the stream one result stands for at most: more than 1 where the pool works on whole
            lists.
    """

    takes_whole_batches = True

    def __init__(self, operator: EachRecord[Any, Any], bound: BoundFunction, rows: int = 1) -> None:
        self.function = bound
        self.call: Callable[..., Any] = bound.call
        self.context: Context
        self.policy = operator.on_error
        #: Whether a failure may still leave results behind that were emitted before it.
        self.streams = isinstance(operator.on_error, Fail)
        self._timeout = operator.timeout
        self._places = operator.places
        self._ordered = operator.ordered
        self._backlog: deque[Slot] = deque()
        # In an ordered pool all slots, oldest first; else those with something to collect.
        self._line: deque[Slot] = deque()
        # Oldest first; the last one is open: it takes the records that come.
        self._segments: deque[_Segment] = deque([_Segment()])
        self._parked: list[Slot] = []
        self._workers: list[asyncio.Task[None]] = []
        self._idle: deque[asyncio.Future[None]] = deque()
        # Workers that were started or woken and have not looked at the backlog yet.
        self._coming = 0
        # How many results wait to be collected.
        self._held = 0
        self._limit = 1
        self._rows = rows
        self._closing = False
        # Whether `collect` was asked for and has not come yet.
        self._told = False
        self._turn: Turn

    async def open(self, context: Any) -> None:
        """Open the function.

        Cancel safety: as `Logic.open`.
        """
        self.context = context
        self._turn = Turn(context.budget)
        self._limit = max(context.batch_size // self._rows, 1)
        await self.function.open(context)

    def start(self, slot: Slot) -> Awaitable[Any]:
        """Call the function for one record."""
        return cast("Awaitable[Any]", self.call(slot.value))

    @abstractmethod
    def results(self, slot: Slot, returned: Any) -> list[Any]:
        """What goes out for a record, by what awaiting the call returned. May raise as the function may."""

    def failed(self, slot: Slot, error: BaseException) -> Emissions:
        """What goes out for a record for which the function has failed for good.

        Raises:
            RecordFailed: the policy is to fail.
        """
        record = slot.batch.slice(slot.row, slot.row + 1)
        yield final_failure(self.policy, record, error, slot.attempts, self.context)

    # ---- called from the logic's own task

    @property
    def has_room(self) -> bool:
        """Whether nearly all records taken have started.

        There is work for idle workers then, and no more than a batch in hand.
        """
        return len(self._backlog) < self._places and len(self._line) < self._limit + self._places

    @property
    def pending(self) -> bool:
        """Whether a record is waiting, running or not collected yet."""
        return len(self._segments) > 1 or bool(self._segments[0].left)

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        """See `Logic.process`: takes the records in; results come by `collect`."""
        segment = self._segments[-1]
        segment.left += len(batch.values)
        slots = [Slot(value, batch, row, segment) for row, value in enumerate(batch.values)]
        self._backlog.extend(slots)
        if self._ordered:
            self._line.extend(slots)
        self._start_workers()
        return ()

    def keeps_watermark(self, watermark: Watermark) -> bool:
        """A watermark goes out behind all records that came before it; nothing is drained for it."""
        if not self.pending:
            return False
        self._segments[-1].watermark = watermark
        self._segments.append(_Segment())
        return True

    def collect(self) -> Emissions:
        """See `Logic.collect`."""
        self._told = False
        line = self._line
        builder: BatchBuilder[Any] = BatchBuilder()
        while line:
            slot = line[0]
            outputs = slot.outputs
            if outputs is not None:
                if len(builder.values) >= self._limit or not builder.accepts(slot.batch):
                    yield from builder.batches(self._limit)
                self._held -= len(outputs)
                builder.add(outputs, slot.batch, slot.row)
                slot.outputs = None
            if not slot.done and self._ordered:
                break
            line.popleft()
            if not slot.done:
                continue
            if slot.error is not None:
                yield from builder.batches(self._limit)
                yield from self.failed(slot, slot.error)
            slot.segment.left -= 1
            if not self._segments[0].left and len(self._segments) > 1:
                yield from builder.batches(self._limit)
                yield from self._due_watermarks()
        yield from builder.batches(self._limit)
        self._resume()

    def _due_watermarks(self) -> Iterator[Watermark]:
        while (watermark := self._segments[0].watermark) is not None and not self._segments[0].left:
            self._segments.popleft()
            yield watermark

    async def close(self) -> None:
        """Cancel what still runs, wait for it, close the function.

        Cancel safety: as `Logic.close`.
        """
        self._closing = True
        for worker in self._workers:
            worker.cancel()
        try:
            # Workers end by their cancellation only; what a function raises while it is cancelled has nobody to go to
            # but this.
            ends = await asyncio.gather(*self._workers, return_exceptions=True)
            for error in ends:
                if isinstance(error, Exception):
                    self.context.logger.error("%s: failed while it was cancelled", self.context.name, exc_info=error)
        finally:
            await self.function.close()

    # ---- called from workers

    def put(self, slot: Slot, outputs: list[Any]) -> None:
        """Add results of a record, and have them collected when it is their turn."""
        if outputs:
            self._held += len(outputs)
            if slot.outputs is not None:
                slot.outputs.extend(outputs)
            else:
                slot.outputs = outputs
                self._tell(slot)

    async def room(self, slot: Slot) -> None:
        """Wait while a generator has made enough for now.

        It also gives way to others when the pool's share of time is used up.

        Cancel safety: nothing is lost when cancelled.
        """
        while self._turn.used_up():
            await self._turn.rest()
        if self._crowded(slot):
            if self._timeout is None:
                await self._park(slot)
            else:
                await self._park_untimed(slot)

    async def _park_untimed(self, slot: Slot) -> None:
        # The time spent waiting for those downstream is not the function's.
        now = asyncio.get_running_loop().time
        ends = slot.clock.when()
        left = None if ends is None else ends - now()
        slot.clock.reschedule(None)
        await self._park(slot)
        slot.clock.reschedule(None if left is None else now() + left)

    async def _park(self, slot: Slot) -> None:
        while self._crowded(slot):
            slot.parked = asyncio.get_running_loop().create_future()
            self._parked.append(slot)
            await slot.parked

    def _crowded(self, slot: Slot) -> bool:
        if slot.outputs is None:
            return False
        if self._ordered and self._line[0] is slot:
            return len(slot.outputs) >= self._limit
        return self._held >= self._limit

    def _tell(self, slot: Slot) -> None:
        # An ordered pool gives out only what the oldest record has made; a later one is told of when it gets there.
        if not self._ordered:
            self._line.append(slot)
        elif self._line[0] is not slot:
            return
        if not self._told:
            self._told = True
            self.context.wake()

    async def _work(self) -> None:
        self._coming -= 1
        backlog, turn = self._backlog, self._turn
        start = self.start if self._timeout is None else self._timed
        stayed = True
        while not self._closing:  # a function may have kept its cancellation to itself
            if not backlog or self._held >= self._limit:
                await self._idleness()
                stayed = True
                continue
            if stayed and turn.used_up():
                await turn.rest()
                continue
            slot = backlog.popleft()
            if len(backlog) == self._places - 1:
                self._told = True
                self.context.wake()  # there is room again
            number = turn.begin()
            try:
                outputs = self.results(slot, await start(slot))
            except (Exception, asyncio.CancelledError) as error:
                outputs = await self._try_again(slot, start, error)
            stayed = turn.number == number
            had_outputs = slot.outputs is not None
            slot.done = True
            if outputs:
                self.put(slot, outputs)
                if self._ordered or not had_outputs:
                    continue  # `put` has told
            if self._ordered or not had_outputs:
                self._tell(slot)

    async def _try_again(
        self, slot: Slot, start: Callable[[Slot], Awaitable[Any]], error: Exception | asyncio.CancelledError
    ) -> list[Any]:
        """A call has failed: try again as the policy says. Returns results, or leaves the error in the slot."""
        policy = self.policy
        while True:
            if isinstance(error, asyncio.CancelledError):
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise error
            elif self._closing:
                raise error
            # A CancelledError here comes from within: something that the function awaited was cancelled.
            final = isinstance(error, asyncio.CancelledError | InvalidOperator)
            if final or not isinstance(policy, Retry) or slot.attempts >= policy.attempts:
                slot.error = error
                return []
            await asyncio.sleep(policy.pause(slot.attempts))
            slot.attempts += 1
            try:
                return self.results(slot, await start(slot))
            except (Exception, asyncio.CancelledError) as again:
                error = again

    async def _timed(self, slot: Slot) -> Any:
        try:
            async with asyncio.timeout(self._timeout) as slot.clock:
                return await self.start(slot)
        except TimeoutError as error:
            if slot.clock.expired():
                raise TimeoutError(f"the call did not end within timeout={self._timeout} seconds") from error
            raise

    async def _idleness(self) -> None:
        idle = asyncio.get_running_loop().create_future()
        self._idle.append(idle)
        await idle
        self._coming -= 1

    def _start_workers(self) -> None:
        wanted = len(self._backlog)
        while self._coming < wanted and self._idle:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
                self._coming += 1
        while self._coming < wanted and len(self._workers) < self._places:
            name = f"{self.context.name}[{self.context.subtask_index}] worker {len(self._workers)}"
            self._workers.append(asyncio.get_running_loop().create_task(self._work(), name=name))
            self._coming += 1

    def _resume(self) -> None:
        """Results were collected: wake generators that waited for it, and workers if there is a backlog."""
        parked, self._parked = self._parked, []
        for slot in parked:
            if self._crowded(slot):
                self._parked.append(slot)
            elif slot.parked is not None and not slot.parked.done():
                slot.parked.set_result(None)
        if self._backlog and self._held < self._limit:
            self._start_workers()
