"""Runs one operator by itself: no graph, no channels, no job, and time that the test moves by hand.

::

    async with OperatorHarness(Map(str.upper)) as op:
        op.process(["a", "b"])
        assert op.values == ["A", "B"]
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from sage.operators.calls import Call, entered, left
from sage.operators.contract import Emissions, Logic, Operator, Tagged, Wait
from sage.operators.elements import Batch, Watermark
from sage.testing.clock import ManualClock

__all__ = ["OperatorHarness"]


class OperatorHarness:
    """One subtask of an operator, driven by a test.

    Args:
        operator: the description.
        batch_size: how many records a batch may hold at most.
        subtask_index: which of the parallel instances it plays.
        parallelism: of how many.
        budget: seconds that it may work without giving way to others. The default is more than any test takes: a
            machine that stands still for a moment changes nothing.

    Attributes:
        emitted: everything that came out, in order, as it came.
        clock: processing time; `advance` moves it.
        slept: the seconds of every `Wait` that came out; the clock is moved by them.
    """

    def __init__(
        self,
        operator: Operator[Any, Any],
        *,
        batch_size: int = 1024,
        subtask_index: int = 0,
        parallelism: int = 1,
        budget: float = 60.0,
    ) -> None:
        self.logic: Logic = operator.build(subtask_index, parallelism)
        self.clock = ManualClock()
        self.emitted: list[Batch[Any] | Tagged | Watermark] = []
        self.slept: list[float] = []
        self.context = HarnessContext(self, operator.kind, batch_size, subtask_index, parallelism, budget)
        self._woken = asyncio.Event()
        self._calls: dict[str, Call] = {}
        # The last batch with calls in the place of names, and as it was given.
        self._given: tuple[Batch[Any] | None, Batch[Any]] = None, Batch([])

    @property
    def batches(self) -> list[list[Any]]:
        """The values of each batch of the main output."""
        return [emission.values for emission in self.emitted if isinstance(emission, Batch)]

    @property
    def values(self) -> list[Any]:
        """All values of the main output."""
        return [value for batch in self.batches for value in batch]

    @property
    def side(self) -> dict[str, list[Any]]:
        """All values of each side output."""
        found: dict[str, list[Any]] = defaultdict(list)
        for emission in self.emitted:
            if isinstance(emission, Tagged):
                found[emission.output].extend(emission.batch.values)
        return dict(found)

    def process(self, values: Iterable[Any] | Batch[Any], port: int = 0) -> None:
        """Give the operator one batch, also when it has no room (the runtime would wait).

        In the place of a call its name will do, as in ``Batch(["a"], calls=["first"])``; `call` finds it, and what is
        emitted for it has the name again.
        """
        batch = values if isinstance(values, Batch) else Batch(list(values))
        if not batch.calls:
            self._take(self.logic.process(batch, port))
            return
        calls = [self.call(name) for name in batch.calls]
        entered(calls)
        made = Batch(batch.values, batch.keys, batch.timestamps, calls)
        self._given = made, batch
        self._take(self.logic.process(made, port))
        if not self.logic.holds_calls:
            left(calls)

    def call(self, name: str) -> Call:
        """The call of that name. One record of it stays inside for good: the request goes on."""
        call = self._calls.get(name)
        if call is None:
            call = self._calls[name] = Call(name)
            call.live = 1
        return call

    def watermark(self, timestamp: int) -> None:
        """Give the operator a watermark, in microseconds; it comes out unless the operator keeps it."""
        watermark = Watermark(timestamp)
        self._take(self.logic.on_watermark(watermark))
        if not self.logic.keeps_watermark(watermark):
            self.emitted.append(watermark)

    def advance(self, seconds: float) -> None:
        """Let processing time pass; timers that are due reach the operator."""
        self.clock.advance(seconds)

    def flush(self) -> None:
        """Ask the operator for what it holds back for company."""
        self._take(self.logic.flush())

    async def settle(self) -> None:
        """Wait until no asynchronous work is left inside, and collect what it gave.

        Cancel safety: the operator stays usable.
        """
        while True:
            self._woken.clear()  # before collecting: the logic may wake us while it gives
            self._take(self.logic.collect())
            if not self.logic.pending:
                return
            await self._woken.wait()

    async def end(self) -> None:
        """Tell the operator that its input has ended, as the runtime does.

        Cancel safety: the operator stays usable.
        """
        await self.settle()
        self._take(self.logic.flush())
        await self.settle()
        self._take(self.logic.end())

    async def __aenter__(self) -> Self:
        try:
            await self.logic.open(self.context)
        except BaseException:
            await self.logic.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.logic.close()

    def wake(self) -> None:
        """The operator has something to collect, or room again."""
        self._woken.set()

    def on_timer(self, tag: Any) -> None:
        """A timer of the operator is due."""
        self._take(self.logic.on_timer(tag))

    def _take(self, emissions: Emissions) -> None:
        for emission in emissions:
            if isinstance(emission, Wait):
                self.slept.append(emission.seconds)
                self.clock.advance(emission.seconds)
            else:
                self.emitted.append(self._named(emission))

    def _named(self, emission: Batch[Any] | Tagged | Watermark) -> Batch[Any] | Tagged | Watermark:
        if isinstance(emission, Batch):
            return self._with_names(emission)
        if isinstance(emission, Tagged):
            return Tagged(emission.output, self._with_names(emission.batch))
        return emission

    def _with_names(self, batch: Batch[Any]) -> Batch[Any]:
        if batch.calls is None:
            return batch
        made, given = self._given
        if batch is made:
            return given
        return Batch(batch.values, batch.keys, batch.timestamps, [call.name for call in batch.calls])


class HarnessContext:
    """The `Context` that a harness lends."""

    def __init__(
        self, harness: OperatorHarness, name: str, batch_size: int, subtask_index: int, parallelism: int, budget: float
    ) -> None:
        self.name = name
        self.position = 0
        self.subtask_index = subtask_index
        self.parallelism = parallelism
        self.batch_size = batch_size
        self.budget = budget
        self.logger = logging.getLogger(f"sage.testing.{name}")
        self._harness = harness

    def now(self) -> float:
        """See `Context.now`."""
        return self._harness.clock.now()

    def wake(self) -> None:
        """See `Context.wake`."""
        self._harness.wake()

    def set_timer(self, at: float, tag: Any = None) -> Any:
        """See `Context.set_timer`."""
        return self._harness.clock.call_at(at, lambda: self._harness.on_timer(tag))
