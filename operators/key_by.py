"""Names the key of each record."""

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.callables import Shape
from sage.operators.contract import Logic
from sage.operators.each import EachLogic, EachRecord
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator
from sage.operators.functions import Function, MapFunction
from sage.operators.plain import map_until_error

__all__ = ["KeyBy"]

T = TypeVar("T")


@dataclass(frozen=True)
class KeyBy(EachRecord[T, T]):
    """Fill the `keys` column with what the function returns; equal keys then meet in one subtask, in order."""

    kind: ClassVar[str] = "key_by"
    base: ClassVar[type[Function]] = MapFunction
    method: ClassVar[str] = "map"
    shapes: ClassVar[tuple[Shape, ...]] = (Shape.PLAIN,)
    not_yielding: ClassVar[str] = "write a plain function that returns the key"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.runs_in_pool:
            raise InvalidOperator(
                f"key_by: {self.target.shown} must be a plain function; "
                f"ask for what the key needs in a map(...) before it"
            )

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _KeyByLogic(self.on_error, self.bind(subtask, parallelism))


class _KeyByLogic(EachLogic):
    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        keys, error = map_until_error(self.call, batch.values)
        done = len(keys)
        if done < len(batch):
            batch = batch.slice(0, done)
        return Batch(batch.values, keys, batch.timestamps, batch.calls) if done else None, done, error
