"""What flows between tasks: batches of records, and the marks that travel with them in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Generic, TypeVar

__all__ = ["Barrier", "Batch", "Element", "EndOfStream", "Watermark", "concat"]

T = TypeVar("T")
U = TypeVar("U")


class Batch(Generic[T]):
    """Columns of equal length, one row a record.

    `values` is always there; the other columns only where the program uses them, else `None`. A batch is shared by
    reference once it was emitted (a broadcast sends the same one to all), so it is never changed.

    Attributes:
        values: what the user's functions see.
        keys: the key of each record, after `key_by`.
        timestamps: when each record happened, in microseconds since the epoch.
        calls: to which call (request) each record belongs.
    """

    __slots__ = ("calls", "keys", "timestamps", "values")

    def __init__(
        self,
        values: list[T],
        keys: list[Any] | None = None,
        timestamps: list[int] | None = None,
        calls: list[Any] | None = None,
    ) -> None:
        self.values = values
        self.keys = keys
        self.timestamps = timestamps
        self.calls = calls

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        columns = "".join(f", {name}" for name in ("keys", "timestamps", "calls") if getattr(self, name) is not None)
        return f"Batch({len(self.values)} values{columns})"

    def same_columns(self, other: "Batch[Any]") -> bool:
        """Whether both batches have the same columns, so that they can be joined."""
        return (
            (self.keys is None) == (other.keys is None)
            and (self.timestamps is None) == (other.timestamps is None)
            and (self.calls is None) == (other.calls is None)
        )

    def derive(self, values: list[U]) -> "Batch[U]":
        """New values for the same records, row by row. They are no longer keyed: the key told of the old values."""
        return Batch(values, None, self.timestamps, self.calls)

    def slice(self, start: int, stop: int) -> "Batch[T]":
        """Rows `start` up to, not including, `stop`."""
        cut = slice(start, stop)
        return self._each(lambda column: column[cut])

    def select(self, mask: Sequence[Any]) -> "Batch[T]":
        """The rows for which `mask`, as long as the batch, is true."""
        return self._each(lambda column: list(compress(column, mask)))

    def take(self, rows: Sequence[int]) -> "Batch[T]":
        """The named rows, in the order named; a row may be named more than once."""
        return self._each(lambda column: [column[row] for row in rows])

    def stride(self, start: int, step: int) -> "Batch[T]":
        """Every `step`-th row, from `start` on."""
        return self._each(lambda column: column[start::step])

    def _each(self, cut: Any) -> "Batch[T]":
        keys, timestamps, calls = self.keys, self.timestamps, self.calls
        return Batch(
            cut(self.values),
            None if keys is None else cut(keys),
            None if timestamps is None else cut(timestamps),
            None if calls is None else cut(calls),
        )


def concat(batches: Sequence[Batch[T]]) -> Batch[T]:
    """One batch with the rows of several, in order; they must have the same columns."""
    first = batches[0]
    if len(batches) == 1:
        return first
    return Batch(
        _join([batch.values for batch in batches]),
        None if first.keys is None else _join([batch.keys or [] for batch in batches]),
        None if first.timestamps is None else _join([batch.timestamps or [] for batch in batches]),
        None if first.calls is None else _join([batch.calls or [] for batch in batches]),
    )


def _join(columns: Sequence[list[Any]]) -> list[Any]:
    joined: list[Any] = []
    for column in columns:
        joined += column
    return joined


@dataclass(frozen=True, slots=True)
class Watermark:
    """The promise that no record with an earlier timestamp is expected; in microseconds since the epoch."""

    timestamp: int


@dataclass(frozen=True, slots=True)
class Barrier:
    """Separates the records before a checkpoint from those after it."""

    checkpoint: int


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """Nothing more will come on this channel."""


#: Anything that flows.
Element = Batch[Any] | Watermark | Barrier | EndOfStream
