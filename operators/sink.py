"""Delivers each record to a function."""

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.callables import Shape
from sage.operators.contract import Emissions, Logic
from sage.operators.each import EachLogic, EachRecord
from sage.operators.elements import Batch
from sage.operators.functions import Function, SinkFunction
from sage.operators.map import call_for_each
from sage.operators.pool import PoolLogic
from sage.operators.slots import Slot

__all__ = ["Sink"]

T = TypeVar("T")


@dataclass(frozen=True)
class Sink(EachRecord[T, Any]):
    """Call the function for each record.

    An async one is called for one record at a time unless `concurrency` says more.
    """

    kind: ClassVar[str] = "sink"
    base: ClassVar[type[Function]] = SinkFunction
    method: ClassVar[str] = "sink"
    default_concurrency: ClassVar[int] = 1
    shapes: ClassVar[tuple[Shape, ...]] = (Shape.PLAIN, Shape.ASYNC)
    not_yielding: ClassVar[str] = "nobody would run it; write a function that delivers the record and returns"

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        bound = self.bind(subtask, parallelism)
        return _PooledSink(self, bound) if self.runs_in_pool else _InlineSink(self.on_error, bound)


class _InlineSink(EachLogic):
    def process(self, batch: Batch[Any], port: int) -> Emissions:
        done, error = call_for_each(self.call, batch.values)
        return () if error is None else self.go_on(batch, None, done, error)

    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        done, error = call_for_each(self.call, batch.values)
        return None, done, error


class _PooledSink(PoolLogic):
    def results(self, slot: Slot, returned: Any) -> list[Any]:
        return []
