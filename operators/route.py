"""Parts a stream: each record goes to the output that the function names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.callables import BoundFunction, Shape
from sage.operators.contract import Emissions, Logic, Tagged
from sage.operators.each import EachLogic, EachRecord
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, shorten
from sage.operators.functions import Function, MapFunction
from sage.operators.plain import map_until_error
from sage.operators.policies import ErrorPolicy

__all__ = ["Route"]

T = TypeVar("T")


@dataclass(frozen=True)
class Route(EachRecord[T, T]):
    """Send each record to the side output that the function names; there is no main output."""

    kind: ClassVar[str] = "route"
    base: ClassVar[type[Function]] = MapFunction
    method: ClassVar[str] = "map"
    shapes: ClassVar[tuple[Shape, ...]] = (Shape.PLAIN,)
    not_yielding: ClassVar[str] = "write a plain function that returns the name of one output"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.runs_in_pool:
            raise InvalidOperator(
                f"route: {self.target.shown} must be a plain function; "
                f"ask for what the name needs in a map(...) before it"
            )

    @property
    def side_outputs(self) -> tuple[str, ...] | None:  # type: ignore[override]  # a constant there, computed here
        """Any name may be returned."""
        return None

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _RouteLogic(self.on_error, self.bind(subtask, parallelism))


class _RouteLogic(EachLogic):
    def __init__(self, policy: ErrorPolicy, bound: BoundFunction) -> None:
        super().__init__(policy, bound)
        # Of the records that `until_error` returned last.
        self._names: list[str] = []

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        for emission in super().process(batch, port):
            if isinstance(emission, Batch):
                yield from _parted(emission, self._names)
            else:
                yield emission

    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        names, error = map_until_error(self.call, batch.values)
        if set(map(type, names)) - {str}:
            names, error = _until_other(names, error)
        self._names = names
        done = len(names)
        if done < len(batch):
            batch = batch.slice(0, done)
        return batch if done else None, done, error


def _until_other(names: list[Any], error: Exception | None) -> tuple[list[str], Exception | None]:
    """The names before the first one that is none."""
    for row, name in enumerate(names):
        if not isinstance(name, str):
            return names[:row], TypeError(
                f"route: the function returned {shorten(name)}, a {type(name).__name__}; "
                f"return the name of an output, a str"
            )
    return names, error


def _parted(batch: Batch[Any], names: list[str]) -> Iterator[Tagged]:
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    for name, of_name in rows.items():
        yield Tagged(name, batch if len(of_name) == len(batch) else batch.take(of_name))
