"""Function classes: their life cycle and what they are lent."""

import inspect
import logging
from typing import Any

import pytest

from sage.operators import functions
from sage.operators.callables import user_function
from sage.operators.functions import Function, MapFunction
from sage.operators.map import Map
from sage.testing import OperatorHarness

CLASSES = [
    kind
    for _, kind in inspect.getmembers(functions, inspect.isclass)
    if issubclass(kind, Function) and kind is not Function
]


class Surroundings:
    """A function context that notes the calls of services."""

    name = "op"
    logger = logging.getLogger("sage.test")
    subtask_index = 0
    parallelism = 1

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    async def call_service(self, *args: Any, **kwargs: Any) -> str:
        self.calls.append((*args, kwargs))
        return "answer"

    def call_service_async(self, *args: Any, **kwargs: Any) -> str:
        self.calls.append((*args, kwargs))
        return "task"


class Logged(MapFunction[int, int]):
    def __init__(self) -> None:
        self.log: list[str] = []

    def open(self, context: Any) -> Any:
        self.log.append(f"open {self.context.name}")

    def map(self, value: int) -> int:
        self.log.append(f"map {value}")
        return value

    def close(self) -> Any:
        self.log.append(f"close {self.name}")


class LoggedLater(Logged):
    async def open(self, context: Any) -> Any:
        super().open(context)

    async def close(self) -> Any:
        super().close()


@pytest.mark.parametrize("kind", [Logged, LoggedLater])
async def test_life_cycle_with_plain_or_async_methods(kind: type[Logged]) -> None:
    function = kind()
    async with OperatorHarness(Map(function)) as op:
        op.process([1, 2])
    assert function.log == ["open map", "map 1", "map 2", "close map"]


async def test_the_context_is_there_while_it_is_open_only() -> None:
    function = Logged()
    with pytest.raises(RuntimeError, match=r"Logged.context is there from open\(\) to close\(\) only"):
        function.context  # noqa: B018  # it raises
    async with OperatorHarness(Map(function)) as op:
        lent: Any = op.context
        assert function.context is lent
        assert function.logger is lent.logger
    with pytest.raises(RuntimeError, match="from open"):
        function.logger  # noqa: B018  # it raises


async def test_a_close_that_fails_takes_the_context_back_all_the_same() -> None:
    class Failing(Logged):
        def close(self) -> None:
            raise OSError("disk")

    function = Failing()
    bound = user_function(function, owner="map", base=MapFunction, method="map").bind(0, 1)
    await bound.open(Surroundings())
    with pytest.raises(OSError, match="disk"):
        await bound.close()
    with pytest.raises(RuntimeError, match="from open"):
        function.context  # noqa: B018  # it raises


async def test_services_are_called_through_the_context() -> None:
    function, surroundings = Logged(), Surroundings()
    bound = user_function(function, owner="map", base=MapFunction, method="map").bind(0, 1)
    await bound.open(surroundings)
    assert await function.call_service("embedder", "embed", "text", size=3) == "answer"
    assert function.call_service_async("embedder", "embed") == "task"
    assert surroundings.calls == [("embedder", "embed", "text", {"size": 3}), ("embedder", "embed", {})]
    await bound.close()


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_asks_for_its_methods(kind: type[Function]) -> None:
    assert kind.__abstractmethods__
    with pytest.raises(TypeError, match="abstract"):
        kind()
