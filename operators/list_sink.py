"""Puts values into a list."""

from collections.abc import MutableSequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.contract import Emissions, Logic, Operator
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, shorten

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

    values: MutableSequence[T]
    anew: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.values, MutableSequence):
            raise InvalidOperator(f"to: {shorten(self.values)} is no list; write a list of yours, which will be filled")

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _CollectLogic(self.values, self.anew)


class _CollectLogic(Logic):
    takes_whole_batches = True

    def __init__(self, values: MutableSequence[Any], anew: bool) -> None:
        self._values = values
        self._anew = anew

    async def open(self, context: Any) -> None:
        if self._anew:
            self._values.clear()

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        self._values.extend(batch.values)
        return ()
