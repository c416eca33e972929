"""Two inputs, one operator."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from sage.operators.callables import BoundFunction, UserFunction, user_function
from sage.operators.calls import Call, CallHolder, left
from sage.operators.contract import Emissions, Logic, Operator
from sage.operators.elements import Batch, Watermark
from sage.operators.errors import InvalidOperator
from sage.operators.functions import CoMapFunction, Function, MapFunction
from sage.operators.map import Map
from sage.operators.policies import ErrorPolicy, Fail, dead_letters

__all__ = ["CoMap"]

Left = TypeVar("Left")
Right = TypeVar("Right")
Out = TypeVar("Out")


@dataclass(frozen=True)
class CoMap(Operator[Left | Right, Out]):
    """Replace the records of the first input by what `first` returns, and those of the second by what `second` returns.

    Each side runs as a `Map`: its options hold for each of the two. Results of one side do not wait for the other's.

    Args:
        first: a plain or async function; or a `CoMapFunction` that does both. Its one instance (for each subtask) then
            sees the records of both inputs.
        second: a plain or async function; `None` with a `CoMapFunction`.
        concurrency: how many calls may run at a time, on each side.
        ordered: whether results keep the order of the records, on each side.
        timeout: seconds that one call of an async function may take.
        blocking: run plain functions in threads.
        on_error: what is done when a function fails on a record.
    """

    kind: ClassVar[str] = "co_map"
    ports: ClassVar[int] = 2

    first: Callable[[Left], Any] | CoMapFunction[Left, Right, Out] | type[CoMapFunction[Left, Right, Out]]
    second: Callable[[Right], Any] | None = None
    concurrency: int | None = None
    ordered: bool = True
    timeout: float | None = None
    blocking: bool = False
    on_error: ErrorPolicy = field(default_factory=Fail)

    def __post_init__(self) -> None:
        if self._has_class and self.second is not None:
            raise InvalidOperator(f"co_map: {self._targets[0].label} has map1 and map2 already; leave the second out")
        if not self._has_class and self.second is None:
            raise InvalidOperator(
                "co_map: write a function for each of the two streams, or a sage.CoMapFunction alone for both"
            )
        self._sides  # noqa: B018  # checks the rest

    @property
    def label(self) -> str:
        """The name of the function class, or the functions' names."""
        labels = dict.fromkeys(target.label for target in self._targets)
        return ", ".join(label for label in labels if label)

    @property
    def side_outputs(self) -> tuple[str, ...] | None:  # type: ignore[override]  # a constant there, computed here
        """The dead letters, if the policy sets records aside."""
        return dead_letters(self.on_error)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        first, second = self._sides
        if not self._has_class:
            return _CoMapLogic(first.build(subtask, parallelism), second.build(subtask, parallelism))
        instance = self._targets[0].instance(parallelism)
        first, second = replace(first, function=instance), replace(second, function=instance)
        return _CoMapLogic(first.build(subtask, 1), second.build(subtask, 1))

    @functools.cached_property
    def _has_class(self) -> bool:
        kind = self.first if isinstance(self.first, type) else type(self.first)
        return issubclass(kind, CoMapFunction)

    @functools.cached_property
    def _targets(self) -> tuple[UserFunction, UserFunction]:
        if self._has_class:
            base: type[Function] = CoMapFunction
            methods = "map1", "map2"
            given: tuple[Any, Any] = self.first, self.first
        else:
            base, methods, given = MapFunction, ("map", "map"), (self.first, self.second)
        first, second = (
            user_function(function, owner=self.kind, base=base, method=method)
            for function, method in zip(given, methods, strict=True)
        )
        return first, second

    @functools.cached_property
    def _sides(self) -> tuple[Map[Any, Any], Map[Any, Any]]:
        kinds = (_Map1, _Map2) if self._has_class else (_Side, _Side)
        first, second = (self._side(kind, target) for kind, target in zip(kinds, self._targets, strict=True))
        return first, second

    def _side(self, kind: type[Map[Any, Any]], target: UserFunction) -> Map[Any, Any]:
        # Where one function is async and the other is not, an option that suits only one of them is for that one.
        shapes = {target.shape.is_async for target in self._targets}
        mixed = len(shapes) == 2
        return kind(
            target.given,
            concurrency=self.concurrency,
            ordered=self.ordered,
            timeout=None if mixed and not target.shape.is_async else self.timeout,
            blocking=self.blocking and not (mixed and target.shape.is_async),
            on_error=self.on_error,
        )


@dataclass(frozen=True)
class _Side(Map[Any, Any]):
    kind: ClassVar[str] = "co_map"
    not_yielding: ClassVar[str] = "write flat_map({}) on its stream before connect(...)"


@dataclass(frozen=True)
class _Map1(_Side):
    """Opens and closes the instance that both sides share."""

    base: ClassVar[type[Function]] = CoMapFunction
    method: ClassVar[str] = "map1"


@dataclass(frozen=True)
class _Map2(_Side):
    base: ClassVar[type[Function]] = CoMapFunction
    method: ClassVar[str] = "map2"

    def bind(self, subtask: int, parallelism: int) -> BoundFunction:
        return BoundFunction(super().bind(subtask, parallelism).call, None)


class _CoMapLogic(Logic, CallHolder):
    """A logic for each port."""

    holds_calls = True  # maybe one of the two does

    def __init__(self, first: Logic, second: Logic) -> None:
        self._logics = first, second
        self.takes_whole_batches = first.takes_whole_batches and second.takes_whole_batches
        # Watermarks kept back, oldest first, and how many of the two still have earlier records in flight.
        self._kept: dict[Watermark, int] = {}

    @property
    def has_room(self) -> bool:
        return all(logic.has_room for logic in self._logics)

    @property
    def pending(self) -> bool:
        return any(logic.pending for logic in self._logics)

    async def open(self, context: Any) -> None:
        for logic in self._logics:
            await logic.open(context)

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        logic = self._logics[port]
        if batch.calls is None or logic.holds_calls:
            return logic.process(batch, 0)
        return self._counted(logic, batch, batch.calls)

    def _counted(self, logic: Logic, batch: Batch[Any], calls: list[Call]) -> Emissions:
        yield from logic.process(batch, 0)
        left(calls)

    def keeps_watermark(self, watermark: Watermark) -> bool:
        keeping = sum(logic.keeps_watermark(watermark) for logic in self._logics)
        if keeping:
            self._kept[watermark] = self._kept.get(watermark, 0) + keeping
        return bool(keeping)

    def collect(self) -> Emissions:
        for logic in self._logics:
            for emission in logic.collect():
                if isinstance(emission, Watermark):
                    yield from self._passed(emission)
                else:
                    yield emission

    def abandon(self) -> None:
        for logic in self._logics:
            if isinstance(logic, CallHolder):
                logic.abandon()

    async def close(self) -> None:
        first, second = self._logics
        try:
            await second.close()
        finally:
            await first.close()  # last: it may close the instance that both share

    def _passed(self, watermark: Watermark) -> Iterator[Watermark]:
        self._kept[watermark] -= 1
        if not self._kept[watermark]:
            del self._kept[watermark]
            yield watermark
