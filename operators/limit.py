"""Fewer records, or slower: take, skip, distinct, throttle."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.callables import label_of
from sage.operators.contract import Context, Emissions, Logic, Operator, Wait
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.map import refuse_awaitable
from sage.operators.plain import map_until_error, plain_function

__all__ = ["Distinct", "Skip", "Take", "Throttle"]

T = TypeVar("T")


@dataclass(frozen=True)
class Take(Operator[T, T]):
    """The first `count` records of each subtask; then it wants no more."""

    kind: ClassVar[str] = "take"

    count: int

    def __post_init__(self) -> None:
        _check_count(self.kind, self.count)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _TakeLogic(self.count)


class _TakeLogic(Logic):
    def __init__(self, count: int) -> None:
        self._left = count

    async def open(self, context: Any) -> None:
        self.finished = not self._left

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        taken = batch if len(batch) <= self._left else batch.slice(0, self._left)
        if taken:
            self._left -= len(taken)
            yield taken
        self.finished = not self._left


@dataclass(frozen=True)
class Skip(Operator[T, T]):
    """All records of each subtask but its first `count`."""

    kind: ClassVar[str] = "skip"

    count: int

    def __post_init__(self) -> None:
        _check_count(self.kind, self.count)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _SkipLogic(self.count)


class _SkipLogic(Logic):
    def __init__(self, count: int) -> None:
        self._left = count

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        if not self._left:
            return (batch,)
        skipped = min(self._left, len(batch))
        self._left -= skipped
        return (batch.slice(skipped, len(batch)),) if skipped < len(batch) else ()


@dataclass(frozen=True)
class Distinct(Operator[T, T]):
    """The first of all records that are equal, or for which `by` returns equal values; all of these are remembered.

    Args:
        by: what is compared; `None` for the record itself. It must be hashable.
        keyed: whether records of different keys are never equal.
    """

    kind: ClassVar[str] = "distinct"

    by: Callable[[T], Any] | None = None
    keyed: bool = False

    def __post_init__(self) -> None:
        if self.by is not None:
            plain_function(self.by, owner="distinct: by")

    @property
    def label(self) -> str:
        """The function's name; empty if there is none or it is a lambda."""
        return "" if self.by is None else label_of(self.by)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _DistinctLogic(self.by, self.keyed)


class _DistinctLogic(Logic):
    def __init__(self, by: Callable[[Any], Any] | None, keyed: bool) -> None:
        self._by = by
        self._keyed = keyed
        self._seen: set[Any] = set()
        self._checked = by is None
        self._context: Context

    async def open(self, context: Any) -> None:
        self._context = context

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        marks, error = self._marks(batch)
        done = len(marks)
        try:
            fresh = set(marks)
        except TypeError:
            done, error = _unhashable(marks)
            fresh = set(marks[:done])
        fresh -= self._seen
        if fresh:
            self._seen |= fresh
            if done < len(batch):
                batch, marks = batch.slice(0, len(marks)), marks[:done]
            yield batch if len(fresh) == done else batch.select([_removed(fresh, mark) for mark in marks])
        if error is not None:
            raise RecordFailed(batch.values[done], error)

    def _marks(self, batch: Batch[Any]) -> tuple[list[Any], Exception | None]:
        marks, error = (batch.values, None) if self._by is None else map_until_error(self._by, batch.values)
        if not self._checked and marks:
            self._checked = True
            refuse_awaitable(marks[0], self._context.name)
        if not self._keyed:
            return marks, error
        if batch.keys is None:
            raise InvalidOperator(f"{self._context.name}: keyed, but its input has no keys; put a key_by(...) before it")
        return list(zip(batch.keys, marks, strict=False)), error
