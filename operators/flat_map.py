"""One record in, any number out."""

from collections.abc import AsyncIterable, Awaitable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from types import GeneratorType
from typing import Any, ClassVar, TypeVar

from sage.operators.builder import BatchBuilder
from sage.operators.callables import BoundFunction, Shape
from sage.operators.calls import CallHolder
from sage.operators.contract import Context, Emissions, Logic, Wait
from sage.operators.each import EachRecord, final_failure
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, shorten
from sage.operators.expander import Expander
from sage.operators.functions import FlatMapFunction, Function
from sage.operators.pace import Pace
from sage.operators.plain import is_iterable, refuse_awaitable
from sage.operators.policies import Fail, Retry
from sage.operators.pool import PoolLogic
from sage.operators.slots import Slot

__all__ = ["FlatMap"]

In = TypeVar("In")
Out = TypeVar("Out")

# What functions return most of the time: told apart in a fraction of the time that `isinstance` takes.
_USUAL = frozenset({list, tuple, GeneratorType})


@dataclass(frozen=True)
class FlatMap(EachRecord[In, Out]):
    """Replace each record by all that the function returns or yields for it, in order.

    Results go on as they are made, before the function has ended. With a policy other than `Fail` the results of a
    record are held until its function has ended, so that a failure leaves none of them behind.
    """

    kind: ClassVar[str] = "flat_map"
    base: ClassVar[type[Function]] = FlatMapFunction
    method: ClassVar[str] = "flat_map"
    iterates: ClassVar[bool] = True

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        bound = self.bind(subtask, parallelism)
        if not self.runs_in_pool:
            return _InlineFlatMap(self, bound)
        return _PooledFlatMap(self, bound, yields=self.target.shape is Shape.ASYNC_GENERATOR)


class _InlineFlatMap(Logic, CallHolder):
    def __init__(self, operator: FlatMap[Any, Any], bound: BoundFunction) -> None:
        self._function = bound
        self._call = bound.call
        self._policy = operator.on_error
        self.holds_calls = isinstance(operator.on_error, Fail)
        self._context: Context
        # How many results to make before looking at the clock: a generator may be slow.
        self._pace: Pace
        # Makes the results of records of calls.
        self._expander: Expander

    async def open(self, context: Any) -> None:
        self._context = context
        self._pace = Pace(context.budget, context.batch_size)
        self._expander = Expander(context, self._results)
        await self._function.open(context)

    def abandon(self) -> None:
        self._expander.abandon()

    async def close(self) -> None:
        self._expander.close()
        await self._function.close()

    @property
    def pending(self) -> bool:
        return self._expander.pending

    def collect(self) -> Emissions:
        return self._expander.emissions()

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        if batch.calls is None or not self.holds_calls:
            return self._all(batch)
        self._expander.add(batch)
        return self._expander.emissions()

    def _all(self, batch: Batch[Any]) -> Emissions:
        one = self._streamed if isinstance(self._policy, Fail) else self._whole
        builder: BatchBuilder[Any] = BatchBuilder()
        for row in range(len(batch)):
            yield from one(batch, row, builder)
        yield from builder.batches(self._context.batch_size)

    def _streamed(self, batch: Batch[Any], row: int, builder: BatchBuilder[Any]) -> Emissions:
        limit = self._context.batch_size
        try:
            results = self._results(batch.values[row])
            if isinstance(results, list | tuple):
                builder.add(results, batch, row)
            else:
                yield from self._pieces(iter(results), batch, row, builder)
        except InvalidOperator:
            raise
        except Exception as error:
            yield from builder.batches(limit)
            yield from final_failure(self._policy, batch.slice(row, row + 1), error, 1, self._context)
        if len(builder) >= limit:
            yield from builder.batches(limit)

    def _pieces(self, results: Iterator[Any], batch: Batch[Any], row: int, builder: BatchBuilder[Any]) -> Emissions:
        limit, pace = self._context.batch_size, self._pace
        while True:
            size = min(pace.size, limit - len(builder))
            start, before = perf_counter(), len(builder)
            builder.add(islice(results, size), batch, row)
            made = len(builder) - before
            pace.took(made, perf_counter() - start)
            if made < size:
                return
            if len(builder) >= limit or pace.size <= made:
                yield from builder.batches(limit)

    def _whole(self, batch: Batch[Any], row: int, builder: BatchBuilder[Any]) -> Emissions:
        policy, attempt = self._policy, 0
        while True:
            attempt += 1
            try:
                builder.add(list(self._results(batch.values[row])), batch, row)
                break
            except InvalidOperator:
                raise
            except Exception as error:
                if not isinstance(policy, Retry) or attempt >= policy.attempts:
                    yield from builder.batches(self._context.batch_size)
                    yield from final_failure(policy, batch.slice(row, row + 1), error, attempt, self._context)
                    return
            yield Wait(policy.pause(attempt))
        if len(builder) >= self._context.batch_size:
            yield from builder.batches(self._context.batch_size)

    def _results(self, value: Any) -> Iterable[Any]:
        try:
            results = self._call(value)
        except StopIteration as error:  # would look like the end of a generator further up
            raise RuntimeError("the function raised StopIteration") from error
        return _iterable(results, self._context.name, value)


class _PooledFlatMap(PoolLogic):
    def __init__(self, operator: FlatMap[Any, Any], bound: BoundFunction, *, yields: bool) -> None:
        super().__init__(operator, bound)
        self._yields = yields

    def start(self, slot: Slot) -> Awaitable[Any]:
        return self._read(slot) if self._yields else super().start(slot)

    def results(self, slot: Slot, returned: Any) -> list[Any]:
        return list(_iterable(returned, self.context.name, slot.value))

    async def _read(self, slot: Slot) -> list[Any]:
        """Put results as they come; return those that are left, or all of them if a failure shall leave none behind."""
        async with aclosing(self.call(slot.value)) as results:
            if not self.streams:
                return [result async for result in results]
            workers, lane = self.workers, slot.lane
            call = lane.call
            async for result in results:
                if slot.outputs is None:
                    self.put(slot, [result])
                else:  # as `put`, written out: what is there already was told of
                    slot.outputs.append(result)
                    lane.held += 1
                slot.quota -= 1
                if slot.quota > 0 and call is not None and not call.waits:
                    continue
                if not workers.may_go_on(slot):
                    await workers.room(slot)
        return []


def _iterable(results: Any, operator: str, value: Any) -> Iterable[Any]:
    if type(results) in _USUAL or is_iterable(results):
        found: Iterable[Any] = results
        return found
    refuse_awaitable(results, operator)
    if results is None:
        raise InvalidOperator(
            f"{operator}: the function returned None for record {shorten(value)}; "
            f"return an iterable (an empty one for no results) or yield"
        )
    if isinstance(results, AsyncIterable):
        raise InvalidOperator(
            f"{operator}: the function returned something to iterate over with `async for` "
            f"({type(results).__name__}), but is not async itself; write an `async def` that yields"
        )
    raise InvalidOperator(
        f"{operator}: the function returned {shorten(results)}, a {type(results).__name__}, for record "
        f"{shorten(value)}; that is not iterable: return a list or yield"
    )
