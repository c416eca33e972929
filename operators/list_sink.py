"""Puts values into a list."""

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.contract import Emissions, Logic, Operator
from sage.operators.elements import Batch

__all__ = ["Collect"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Collect(Operator[T, Any]):
    """Append each value to `values`: for tests, and for results that fit into memory.

    Args:
        values: a list of the process that the operator runs in; a run on other processes would fill a copy.
        anew: empty the list when a run begins.
    """

    kind: ClassVar[str] = "collect"

    values: list[T]
    anew: bool = False

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _CollectLogic(self.values, self.anew)


class _CollectLogic(Logic):
    takes_whole_batches = True

    def __init__(self, values: list[Any], anew: bool) -> None:
        self._values = values
        self._anew = anew

    async def open(self, context: Any) -> None:
        if self._anew:
            self._values.clear()

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        self._values.extend(batch.values)
        return ()
