"""One record in, at most one out: map, filter, inspect."""

from dataclasses import dataclass
from itertools import chain
from operator import length_hint
from typing import Any, ClassVar, TypeVar

from sage.operators.callables import Shape
from sage.operators.contract import Emissions, Logic
from sage.operators.each import EachLogic, EachRecord
from sage.operators.elements import Batch
from sage.operators.functions import FilterFunction, Function, MapFunction, SinkFunction
from sage.operators.plain import map_until_error
from sage.operators.pool import PoolLogic
from sage.operators.slots import Slot

__all__ = ["Filter", "Inspect", "Map"]

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Map(EachRecord[In, Out]):
    """Replace each record by what the function returns for it."""

    kind: ClassVar[str] = "map"
    base: ClassVar[type[Function]] = MapFunction
    method: ClassVar[str] = "map"
    shapes: ClassVar[tuple[Shape, ...]] = (Shape.PLAIN, Shape.ASYNC)
    not_yielding: ClassVar[str] = "write flat_map({})"

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        bound = self.bind(subtask, parallelism)
        return _PooledMap(self, bound) if self.runs_in_pool else _InlineMap(self.on_error, bound)


class _InlineMap(EachLogic):
    def process(self, batch: Batch[Any], port: int) -> Emissions:
        # As `EachLogic.process`, `until_error` and `map_until_error`, written out: the commonest of all operators.
        results: list[Any] = []
        error: Exception | None = None
        try:
            results += map(self.call, batch.values)  # on an error, what came before it survives
        except Exception as raised:
            error = raised
        if error is None and len(results) == len(batch.values):
            return (Batch(results, None, batch.timestamps, batch.calls),)
        return self.go_on(batch, *self._judged(batch, results, error))

    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        results, error = map_until_error(self.call, batch.values)
        return self._judged(batch, results, error)

    def _judged(
        self, batch: Batch[Any], results: list[Any], error: Exception | None
    ) -> tuple[Batch[Any] | None, int, Exception | None]:
        done = len(results)
        if error is None and done < len(batch):  # to `map`, a StopIteration looks like the end
            error = RuntimeError("the function raised StopIteration")
        if error is None:
            return batch.derive(results), done, None
        return (batch.slice(0, done).derive(results) if results else None), done, error


class _PooledMap(PoolLogic):
    def results(self, slot: Slot, returned: Any) -> list[Any]:
        return [returned]


@dataclass(frozen=True)
class Filter(EachRecord[In, In]):
    """Keep the records for which the function returns something true."""

    kind: ClassVar[str] = "filter"
    base: ClassVar[type[Function]] = FilterFunction
    method: ClassVar[str] = "filter"
    shapes: ClassVar[tuple[Shape, ...]] = (Shape.PLAIN, Shape.ASYNC)
    not_yielding: ClassVar[str] = "write a function that returns whether to keep the record"

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        bound = self.bind(subtask, parallelism)
        return _PooledFilter(self, bound) if self.runs_in_pool else _InlineFilter(self.on_error, bound)


class _InlineFilter(EachLogic):
    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        if batch.keys is None and batch.timestamps is None and batch.calls is None:
            return self._values_only(batch.values)
        mask, error = map_until_error(self.call, batch.values, then=bool)
        done = len(mask)
        return batch.slice(0, done).select(mask) if any(mask) else None, done, error

    def _values_only(self, values: list[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        kept: list[Any] = []
        left = iter(values)
        ahead = [None]  # emptied when `filter` has come to the end by itself, not by a StopIteration of the function
        error: Exception | None = None
        try:
            kept.extend(filter(self.call, chain(left, iter(ahead.pop, None))))
        except Exception as raised:
            error = raised
        done = len(values) - length_hint(left)
        if error is None and ahead:
            error = RuntimeError("the function raised StopIteration")
        if error is not None:
            done -= 1
        return Batch(kept) if kept else None, done, error


class _PooledFilter(PoolLogic):
    def results(self, slot: Slot, returned: Any) -> list[Any]:
        return [slot.value] if returned else []


@dataclass(frozen=True)
class Inspect(EachRecord[In, In]):
    """Show each record to the function and pass it on as it is."""

    kind: ClassVar[str] = "inspect"
    base: ClassVar[type[Function]] = SinkFunction
    method: ClassVar[str] = "sink"
    default_concurrency: ClassVar[int] = 1
    shapes: ClassVar[tuple[Shape, ...]] = (Shape.PLAIN, Shape.ASYNC)
    not_yielding: ClassVar[str] = "nobody would run it; write a function that looks at the record and returns"

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        bound = self.bind(subtask, parallelism)
        return _PooledInspect(self, bound) if self.runs_in_pool else _InlineInspect(self.on_error, bound)


class _InlineInspect(EachLogic):
    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        done, error = call_for_each(self.call, batch.values)
        if error is None:
            return batch, done, None
        return batch.slice(0, done) if done else None, done, error


class _PooledInspect(PoolLogic):
    def results(self, slot: Slot, returned: Any) -> list[Any]:
        return [slot.value]


def call_for_each(call: Any, values: list[Any]) -> tuple[int, Exception | None]:
    """Call for the effect alone; return how many calls went well, and the error of the next one, if any."""
    owner = getattr(call, "__self__", None)
    if type(owner) is list and call == owner.append:  # what programs that collect in a list of their own write
        owner.extend(values)
        return len(values), None
    left = iter(values)
    try:
        for value in left:
            call(value)
    except Exception as error:
        return len(values) - length_hint(left) - 1, error
    return len(values), None
