"""A function over lists, one result for each value: for models, bulk requests and vectorised code.

Lists are gathered over batches (`gathering.py`). A plain function runs inline; an async or blocking one in the pool
(`pool.py`), whose records then are whole lists::

    batches ──▶ Gatherer ──▶ ListCall ──▶ inline or pool ──▶ results, each with the columns of its own record
                                 ▲              │
                                 └── Retry: the values that failed, alone
"""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

from sage.operators.callables import BoundFunction, Shape
from sage.operators.calls import Call, Deaths, alive
from sage.operators.contract import Context, Emissions, Logic, Wait
from sage.operators.each import EachRecord, final_failure
from sage.operators.elements import Batch, Watermark
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.functions import Function, MapFunction
from sage.operators.gathering import Gatherer, GatheringLogic, check_gathering, let_go
from sage.operators.plain import refuse_awaitable
from sage.operators.policies import ErrorPolicy, Retry, dead_letters
from sage.operators.pool import PoolLogic
from sage.operators.slots import Slot

__all__ = ["MapBatch"]

In = TypeVar("In")
Out = TypeVar("Out")

# What counts as a failure among results: `asyncio.gather(return_exceptions=True)` gives cancellations, too.
_FAILURES = (Exception, asyncio.CancelledError)


@dataclass(frozen=True)
class MapBatch(EachRecord[In, Out]):
    """Replace each record by the result that the function, called with a list of values, has at the same place.

    The function returns as many results as it was given values. A result that is an exception is the failure of that
    one record. If the function raises, all records of the list have failed. `Retry` calls it again with the values that
    failed only; `DeadLetter` writes a letter for each.

    Args:
        max_size: how many values a list may hold.
        max_wait: how many seconds of processing time a value may wait for company; `None` waits for none: what arrives
            together is cut into lists.
        concurrency: how many lists an async or blocking function may work on at a time.
        timeout: seconds that one call, of a list, may take.
    """

    kind: ClassVar[str] = "map_batch"
    base: ClassVar[type[Function]] = MapFunction
    method: ClassVar[str] = "map"
    iterates: ClassVar[bool] = True

    max_size: int
    max_wait: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_gathering(self.max_size, self.max_wait, self.kind)
        if self.target.shape is Shape.ASYNC_GENERATOR:
            raise InvalidOperator(
                f"map_batch: {self.target.shown} yields; return a list with one result for each value"
            )

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        bound = self.bind(subtask, parallelism)
        return _PooledMapBatch(self, bound) if self.runs_in_pool else _InlineMapBatch(self, bound)


class _ListCall:
    """One list, and what came of it so far."""

    __slots__ = ("batch", "failures", "raised", "results", "todo")

    def __init__(self, batch: Batch[Any]) -> None:
        self.batch = batch
        self.results: list[Any] = []
        #: The rows to call the function with; `None` before the first call: all.
        self.todo: list[int] | None = None
        #: By row, in order: why the last call failed for it.
        self.failures: dict[int, BaseException] = {}
        #: What the last call raised as a whole.
        self.raised: BaseException | None = None

    @property
    def values(self) -> list[Any]:
        """What to call the function with: a list of its own, which it may change."""
        values = self.batch.values
        return values.copy() if self.todo is None else [values[row] for row in self.todo]

    def returned(self, results: Any, operator: MapBatch[Any, Any]) -> None:
        """Take what a call returned.

        Raises:
            InvalidOperator: it is no list at all.
            ValueError: it has another length than the list.
        """
        found = _as_list(results)
        rows = range(len(self.batch)) if self.todo is None else self.todo
        if len(found) != len(rows):
            raise ValueError(
                f"{operator.label or 'the function'} returned {len(found)} results for {len(rows)} values; "
                f"return one for each value, in the same order"
            )
        if self.todo is None:
            self.results = found
        else:
            for row, result in zip(rows, found, strict=True):
                self.results[row] = result
        self.raised = None
        self.failures = _failures(rows, found)
        self.todo = list(self.failures)

    def failed(self, error: BaseException) -> None:
        """A call raised: all that it was given has failed."""
        if self.todo is None:
            self.todo = list(range(len(self.batch)))
            self.results = [None] * len(self.batch)
        self.raised = error
        self.failures = dict.fromkeys(self.todo, error)

    def emissions(self, policy: ErrorPolicy, attempts: int, context: Context) -> Emissions:
        """Results, and what becomes of the records that have failed for good.

        Raises:
            RecordFailed: the policy is to fail.
        """
        if isinstance(self.raised, InvalidOperator):
            raise self.raised
        start = 0
        for row, error in self.failures.items():
            yield from self._results(start, row, context.batch_size)
            if (
                self.raised is not None
                and self.batch.calls is None
                and not (dead_letters(policy) and isinstance(error, Exception))
            ):
                raise RecordFailed(self.values, error)
            yield from final_failure(policy, self.batch.slice(row, row + 1), error, attempts, context)
            start = row + 1
        yield from self._results(start, len(self.batch), context.batch_size)

    def _results(self, start: int, stop: int, limit: int) -> Emissions:
        for first in range(start, stop, limit):
            last = min(first + limit, stop)
            yield self.batch.slice(first, last).derive(self.results[first:last])


class _InlineMapBatch(GatheringLogic):
    def __init__(self, operator: MapBatch[Any, Any], bound: BoundFunction) -> None:
        super().__init__(_gatherer(operator))
        self._operator = operator
        self._function = bound

    async def open(self, context: Any) -> None:
        await super().open(context)
        await self._function.open(context)

    async def close(self) -> None:
        await self._function.close()

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        return self.give(_lists(self._operator, self.gatherer, batch))

    def on_lists(self, lists: list[Batch[Any]]) -> Emissions:
        for records in lists:
            yield from self._work(_ListCall(records))

    def _work(self, call: _ListCall) -> Emissions:
        policy, attempt = self._operator.on_error, 1
        self._try(call)
        if isinstance(policy, Retry):
            while call.failures and attempt < policy.attempts and not isinstance(call.raised, InvalidOperator):
                yield Wait(policy.pause(attempt))
                attempt += 1
                self._try(call)
        yield from call.emissions(policy, attempt, self.context)

    def _try(self, call: _ListCall) -> None:
        try:
            results = self._function.call(call.values)
            refuse_awaitable(results, self.context.name)
            call.returned(results, self._operator)
        except StopIteration as error:  # would look like the end of a generator further up
            failure = RuntimeError("the function raised StopIteration")
            failure.__cause__ = error
            call.failed(failure)
        except Exception as error:
            call.failed(error)


class _PooledMapBatch(PoolLogic):
    def __init__(self, operator: MapBatch[Any, Any], bound: BoundFunction) -> None:
        super().__init__(operator, bound, rows=operator.max_size)
        self._operator = operator
        self._gatherer = _gatherer(operator)
        # In the pool, or given out by an iterable that is not at its end.
        self._inside: set[_ListCall] = set()

    async def open(self, context: Any) -> None:
        self._gatherer.open(context)
        await super().open(context)

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        return self._submit(_lists(self._operator, self._gatherer, batch))

    def on_timer(self, tag: Any) -> Emissions:
        return self._submit(self._gatherer.due(tag))

    def flush(self) -> Emissions:
        return self._submit(self._gatherer.rest())

    def keeps_watermark(self, watermark: Watermark) -> bool:
        return self._gatherer.keep(watermark) or super().keeps_watermark(watermark)

    def _submit(self, lists: list[Batch[Any]]) -> Emissions:
        if not lists:
            return ()
        # To the pool they are records of the plain stream: a list has values of many calls, in the order they came.
        calls = [_ListCall(records) for records in lists]
        self._inside.update(calls)
        emissions = super().process(Batch(calls), 0)
        for watermark in self._gatherer.released():  # behind the lists that just went in
            super().keeps_watermark(watermark)
        return emissions

    def start(self, slot: Slot) -> Awaitable[Any]:
        call: _ListCall = slot.value
        if call.batch.calls is None:
            return cast("Awaitable[Any]", self.call(call.values))
        if call.todo is None:
            call.batch = alive(call.batch) or call.batch.slice(0, 0)
        return self._for_calls(call, call.batch.calls or [])

    async def _for_calls(self, call: _ListCall, calls: list[Call]) -> Any:
        """Call the function in a task of its own, which is cancelled when the last of these calls has died."""
        values, wanted = call.values, [one for one in calls if not one.dead]
        if not wanted:
            return [None] * len(values)
        running = asyncio.ensure_future(self.call(values))
        deaths = Deaths(wanted, running.cancel)
        try:
            return await running
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not deaths.all_died or (task is not None and task.cancelling()):
                raise
            return [None] * len(values)  # nobody gets them
        finally:
            deaths.close()

    def results(self, slot: Slot, returned: Any) -> list[Any]:
        call: _ListCall = slot.value
        call.returned(returned, self._operator)
        if call.failures:
            raise _SomeFailed
        return [call]

    def failed(self, slot: Slot, error: BaseException) -> Emissions:
        call: _ListCall = slot.value
        if not isinstance(error, _SomeFailed):
            call.failed(error)
        yield from self._given(call, slot.attempts)

    def collect(self) -> Emissions:
        for emission in super().collect():
            if isinstance(emission, Batch) and isinstance(emission.values[0], _ListCall):
                for call in emission.values:
                    yield from self._given(call, 1)
            else:
                yield emission

    def _given(self, call: _ListCall, attempts: int) -> Emissions:
        yield from call.emissions(self.policy, attempts, self.context)
        self._inside.remove(call)
        let_go([call.batch])

    def abandon(self) -> None:
        super().abandon()
        let_go([*(call.batch for call in self._inside), *self._gatherer.rest()])


class _SomeFailed(Exception):
    """Some values of a list have failed: has the pool try again, if the policy says so."""


def _gatherer(operator: MapBatch[Any, Any]) -> Gatherer:
    return Gatherer(operator.max_size, operator.max_wait, by_call=False)


def _lists(operator: MapBatch[Any, Any], gatherer: Gatherer, batch: Batch[Any]) -> list[Batch[Any]]:
    lists = gatherer.add(batch)
    return lists if operator.max_wait is not None else [*lists, *gatherer.rest()]


def _as_list(results: Any) -> list[Any]:
    if not isinstance(results, Iterable) or isinstance(results, str | bytes | dict | set | frozenset):
        raise InvalidOperator(
            f"map_batch: the function returned a {type(results).__name__}; return a list with one result for each value"
        )
    return list(results)  # a copy: the function may go on to use its own


def _failures(rows: Iterable[int], results: list[Any]) -> dict[int, BaseException]:
    if not any(issubclass(kind, _FAILURES) for kind in {*map(type, results)}):  # at C speed: nearly always so
        return {}
    return {row: result for row, result in zip(rows, results, strict=True) if isinstance(result, _FAILURES)}
