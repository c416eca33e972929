"""Makes batches out of results that come record by record, and keeps the other columns in step."""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from sage.operators.elements import Batch

__all__ = ["BatchBuilder"]

T = TypeVar("T")


class BatchBuilder(Generic[T]):
    """Collects results with the columns of the record that each came from."""

    __slots__ = ("_calls", "_timestamps", "values")

    def __init__(self) -> None:
        self.values: list[T] = []
        self._timestamps: list[int] | None = None
        self._calls: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def accepts(self, source: Batch[Any]) -> bool:
        """Whether results of `source` fit beside what is collected: it must have the same columns."""
        return not self.values or (
            (self._timestamps is None) == (source.timestamps is None)
            and (self._calls is None) == (source.calls is None)
        )

    def add(self, values: Iterable[T], source: Batch[Any], row: int) -> None:
        """Add the results of one record; ask `accepts` first."""
        collected = self.values
        if source.timestamps is None and source.calls is None:
            collected.extend(values)
            return
        before = len(collected)
        if not before:
            self._timestamps = None if source.timestamps is None else []
            self._calls = None if source.calls is None else []
        try:
            collected.extend(values)
        finally:  # `values` may be a user's generator that fails: what it made before counts
            added = len(collected) - before
            if self._timestamps is not None and source.timestamps is not None:
                self._timestamps.extend([source.timestamps[row]] * added)
            if self._calls is not None and source.calls is not None:
                self._calls.extend([source.calls[row]] * added)

    def build(self) -> Batch[T]:
        """Take what is collected as one batch, and begin anew."""
        batch = Batch(self.values, None, self._timestamps, self._calls)
        self.values, self._timestamps, self._calls = [], None, None
        return batch

    def batches(self, limit: int) -> Iterator[Batch[T]]:
        """Take what is collected, cut into batches of at most `limit` records; none when there is nothing."""
        if not self.values:
            return
        batch = self.build()
        if len(batch) <= limit:
            yield batch
            return
        for start in range(0, len(batch), limit):
            yield batch.slice(start, start + limit)
