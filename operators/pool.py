"""Calls of functions that run beside each other: the pool behind async and blocking functions.

Records wait in lanes, one for each call (request) and one for the plain stream; workers take them, lane by lane in turn
(`lanes.py`), and call the function. Results go out in the order of the records of each lane (or of their ends, with
``ordered=False``), a batch at a time, when the logic's own task collects them::

    process ──▶ lanes ──▶ workers (at most `concurrency` at work) ──▶ slots ──▶ collect
                                                                      │
                            ordered: the oldest of its lane first ◀───┘

Bounds: nothing new of a lane starts while `batch_size` of its results wait to be collected. An ordered pool thus goes
on working beside a slow record for a whole batch, not just for its concurrency. Of the plain stream the pool takes no
more than it can work on; of calls it takes what comes, for one must not wait behind another, and tells those that have
many waiting, so that whoever makes their records pauses.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from sage.operators.builder import BatchBuilder
from sage.operators.callables import BoundFunction
from sage.operators.calls import CallHolder, left
from sage.operators.contract import Context, Emissions, Logic
from sage.operators.each import EachRecord, final_failure
from sage.operators.elements import Batch, Watermark
from sage.operators.lanes import Lane, Lanes
from sage.operators.policies import Fail
from sage.operators.slots import Segments, Slot
from sage.operators.workers import Workers

__all__ = ["PoolLogic"]

# A lane with so many records waiting is a crowd, until it has half as many.
_CROWD = 256


class PoolLogic(Logic, CallHolder):
    """Runs an async function for each record, a bounded number at a time.

    Derived classes say how: `start` and `results`.

    Args:
        operator: the description.
        bound: the function.
        rows: how many records of the stream one result stands for at most: more than 1 where the pool works on whole
            lists.
    """

    takes_whole_batches = True
    holds_calls = True

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
        self._rows = rows
        self._limit = 1
        self._plain = Lane(None)
        self._of_calls: dict[Any, tuple[Lane, Callable[[], None]]] = {}
        self._segments = Segments()
        # The calls of records that are given out whole, by an iterable that is not at its end.
        self._done: list[Any] = []
        # Lanes with something to collect.
        self._ready: deque[Lane] = deque()
        # Whether `collect` was asked for and has not come yet.
        self._told = False
        self._lanes: Lanes
        self.workers: Workers

    async def open(self, context: Any) -> None:
        """Open the function.

        Cancel safety: as `Logic.open`.
        """
        self.context = context
        self._limit = max(context.batch_size // self._rows, 1)
        self._lanes = Lanes(self._limit)
        self.workers = Workers(self, self._lanes, self._places, self._timeout)
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
            RecordFailed: the policy is to fail, and the record is no call's.
        """
        record = slot.batch.slice(slot.row, slot.row + 1)
        return final_failure(self.policy, record, error, slot.attempts, self.context)

    # ---- called from the logic's own task

    @property
    def has_room(self) -> bool:
        """Whether nearly all records of the plain stream have started.

        There is work for idle workers then, and no more than a batch in hand.
        """
        return len(self._plain.waiting) < self._places and len(self._plain.line) < self._limit + self._places

    @property
    def pending(self) -> bool:
        """Whether a record is waiting, running or not collected yet."""
        return self._segments.pending

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        """See `Logic.process`: takes the records in; results come by `collect`."""
        self._segments.last.left += len(batch.values)
        if batch.calls is None:
            segment, lane = self._segments.last, self._plain
            self._file(lane, [Slot(value, batch, row, segment, lane) for row, value in enumerate(batch.values)])
        else:
            self._file_by_call(batch, batch.calls)
        self.workers.summon()
        return ()

    def keeps_watermark(self, watermark: Watermark) -> bool:
        """A watermark goes out behind all records that came before it; nothing is drained for it."""
        return self._segments.keep(watermark)

    def collect(self) -> Emissions:
        """See `Logic.collect`."""
        self._told = False
        builder: BatchBuilder[Any] = BatchBuilder()
        done = self._done
        while self._ready:
            lane = self._ready.popleft()
            lane.told = False
            line = lane.line
            while line:
                slot: Slot = line[0]
                outputs = slot.outputs
                if outputs is not None:
                    if len(builder.values) >= self._limit or not builder.accepts(slot.batch):
                        yield from builder.batches(self._limit)
                        if slot.dropped:
                            continue
                    lane.held -= len(outputs)
                    builder.add(outputs, slot.batch, slot.row)
                    slot.outputs = None
                if not slot.done:
                    if self._ordered:
                        break
                    line.popleft()
                    continue
                line.popleft()
                if slot.error is not None:
                    yield from builder.batches(self._limit)
                    yield from self.failed(slot, slot.error)
                slot.segment.left -= 1
                if lane.call is not None:
                    done.append(lane.call)
                    self._gone(lane, 1)
                if self._segments.kept and self._segments.releases:
                    yield from builder.batches(self._limit)
                    yield from self._segments.released()
            if lane.waiting and not lane.queued and lane.held < self._limit:
                self._lanes.push(lane)
        yield from builder.batches(self._limit)
        yield from self._segments.released()  # behind records that were dropped
        if done:
            self._done = []
            left(done)
        self.workers.resume()

    def abandon(self) -> None:
        """See `CallHolder.abandon`."""
        for lane, _ in list(self._of_calls.values()):
            self._killed(lane)
        done, self._done = self._done, []
        if done:
            left(done)

    async def close(self) -> None:
        """Cancel what still runs, wait for it, close the function.

        Cancel safety: as `Logic.close`.
        """
        try:
            await self.workers.aclose()
        finally:
            for lane, kill in self._of_calls.values():
                if lane.call is not None:
                    lane.call.detach(kill)
            await self.function.close()

    # ---- called from workers

    def put(self, slot: Slot, outputs: list[Any]) -> None:
        """Add results of a record, and have them collected when it is their turn."""
        if outputs and not slot.dropped:
            slot.lane.held += len(outputs)
            if slot.outputs is not None:
                slot.outputs.extend(outputs)
            else:
                slot.outputs = outputs
                if not self._ordered:
                    slot.lane.line.append(slot)
                self.tell(slot)

    def completed(self, slot: Slot, outputs: list[Any]) -> None:
        """The function has ended for a record; these are its last results."""
        if slot.dropped:
            slot.segment.left -= 1
            self._let_go(slot.lane, 1)
            return
        slot.done = True
        lane, before = slot.lane, slot.outputs
        lane.held += len(outputs)
        if before is not None:
            before += outputs
            if not self._ordered:
                return  # it was told of
        else:
            slot.outputs = outputs or None
            if not self._ordered:
                lane.line.append(slot)
        # As `tell` asks by itself: for most records that is all there is to it, and a call is saved.
        if not lane.told and not (self._ordered and lane.line[0] is not slot):
            self.tell(slot)

    def crowded(self, slot: Slot) -> bool:
        """Whether a generator has made enough for now."""
        if slot.outputs is None:
            return False
        if self._ordered and slot.lane.line and slot.lane.line[0] is slot:
            return len(slot.outputs) >= self._limit
        return slot.lane.held >= self._limit

    def started(self, slot: Slot) -> None:
        """A record has left its lane and begins. Of the plain stream, only told of when there is room again by that."""
        lane = slot.lane
        if lane.call is None:
            self._told = True
            self.context.wake()  # there is room again
        elif lane.crowded and len(lane.waiting) <= _CROWD // 2:
            lane.crowded = False
            lane.call.uncrowd(self.context.position)

    def tell(self, slot: Slot) -> None:
        """Have a record's results collected if it is their turn."""
        lane = slot.lane
        # An ordered pool gives out only what the oldest record of a lane has made; a later one is told of when it gets
        # there.
        if self._ordered and lane.line[0] is not slot:
            return
        if not lane.told:
            lane.told = True
            self._ready.append(lane)
            self.wake()

    def wake(self) -> None:
        """Have `collect` called."""
        if not self._told:
            self._told = True
            self.context.wake()

    # ---- records of calls

    def _file(self, lane: Lane, slots: list[Slot]) -> None:
        if self._ordered:
            lane.line.extend(slots)
        self._lanes.add(lane, slots)

    def _file_by_call(self, batch: Batch[Any], calls: list[Any]) -> None:
        segment, by_call = self._segments.last, self._of_calls
        for row, (value, call) in enumerate(zip(batch.values, calls, strict=True)):
            known = by_call.get(call)
            lane = self._opened(call) if known is None else known[0]
            lane.records += 1
            self._file(lane, [Slot(value, batch, row, segment, lane)])
            if len(lane.waiting) >= _CROWD and not lane.crowded:
                lane.crowded = True
                call.crowd(self.context.position)

    def _opened(self, call: Any) -> Lane:
        lane = Lane(call)
        kill = partial(self._killed, lane)
        self._of_calls[call] = lane, kill
        call.attach(kill)
        return lane

    def _gone(self, lane: Lane, records: int) -> None:
        lane.records -= records
        if not lane.records:
            call: Any = lane.call
            _, kill = self._of_calls.pop(call)
            call.detach(kill)
            if lane.crowded:
                call.uncrowd(self.context.position)

    def _let_go(self, lane: Lane, records: int) -> None:
        """Records of a dead call are not inside any more."""
        call = lane.call
        self._gone(lane, records)
        if call is not None:
            call.thinned(records)
        if self._segments.releases:
            self.wake()

    def _killed(self, lane: Lane) -> None:
        """The call is dead: drop what waits, forget what is done, cancel what runs."""
        gone = [*self._lanes.drop(lane), *(slot for slot in lane.line if slot.done)]
        lane.line.clear()
        lane.held = 0
        for slot in gone:
            slot.dropped = True
            slot.segment.left -= 1
        for slot in lane.running:
            slot.dropped = True
            slot.outputs = None
            slot.worker.cancel()
        if gone:
            self._let_go(lane, len(gone))
