"""Lists as values: several records in, one list out."""

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.builder import BatchBuilder
from sage.operators.contract import Emissions, Logic, Operator
from sage.operators.elements import Batch
from sage.operators.gathering import Gatherer, GatheringLogic, check_gathering

__all__ = ["Gather"]

T = TypeVar("T")


@dataclass(frozen=True)
class Gather(Operator[T, list[T]]):
    """Make lists of values. A list has the timestamp of its last record and belongs to one call.

    A watermark waits until the records that came before it have gone out.

    Args:
        max_size: a list goes out as soon as it holds so many values.
        max_wait: or so many seconds of processing time after its first value came; with `None` it waits until it is
            full, or the input ends.
    """

    kind: ClassVar[str] = "batch"

    max_size: int
    max_wait: float | None = None

    def __post_init__(self) -> None:
        check_gathering(self.max_size, self.max_wait, self.kind)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _GatherLogic(Gatherer(self.max_size, self.max_wait, by_call=True))


class _GatherLogic(GatheringLogic):
    def on_lists(self, lists: list[Batch[Any]]) -> Emissions:
        limit = self.context.batch_size
        builder: BatchBuilder[list[Any]] = BatchBuilder()
        for records in lists:
            if not builder.accepts(records):
                yield from builder.batches(limit)
            # A copy: whoever gets the list may change it, and a batch is shared.
            builder.add([records.values.copy()], records, len(records) - 1)
        yield from builder.batches(limit)
