"""Two inputs, and a function for each."""

import asyncio
import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from sage.operators.connect import CoMap
from sage.operators.elements import Batch, Watermark
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.functions import CoMapFunction, MapFunction
from sage.operators.policies import DeadLetter
from sage.testing import OperatorHarness


class Both(CoMapFunction[int, str, str]):
    """Counts the records of both sides."""

    log: list[tuple[str, int]]

    def __init__(self) -> None:
        self.count = 0
        self.log = []

    async def open(self, context: Any) -> None:
        self.log.append(("open", context.subtask_index))

    def map1(self, value: int) -> str:
        self.count += 1
        return f"{self.count}: number {value}"

    def map2(self, value: str) -> str:
        self.count += 1
        return f"{self.count}: text {value}"

    def close(self) -> None:
        self.log.append(("close", self.count))


async def test_each_input_has_its_function() -> None:
    operator: CoMap[int, str, Any] = CoMap(lambda number: number + 1, str.upper)
    assert operator.ports == 2
    async with OperatorHarness(operator) as op:
        op.process(Batch([1, 2], None, [10, 20], ["x", "y"]), port=0)
        op.process(["a"], port=1)
    assert op.values == [2, 3, "A"]
    first = op.emitted[0]
    assert isinstance(first, Batch)
    assert (first.timestamps, first.calls) == ([10, 20], ["x", "y"])


async def test_the_instance_of_a_class_sees_both_inputs_and_is_opened_once() -> None:
    both = Both()
    async with OperatorHarness(CoMap(both)) as op:
        op.process([7], port=0)
        op.process(["a"], port=1)
        op.process([8], port=0)
    assert op.values == ["1: number 7", "2: text a", "3: number 8"]
    assert both.log == [("open", 0), ("close", 3)]


@pytest.mark.parametrize("given", [Both, Both()])
async def test_each_subtask_has_an_instance_of_its_own(given: Any) -> None:
    operator: CoMap[int, str, str] = CoMap(given)
    for subtask in range(2):
        async with OperatorHarness(operator, subtask_index=subtask, parallelism=2) as op:
            op.process([7], port=0)
            op.process(["a"], port=1)
        assert op.values == ["1: number 7", "2: text a"]


async def test_async_functions_run_side_by_side() -> None:
    gate = asyncio.Event()

    async def first(number: int) -> int:
        await gate.wait()
        return number

    async def second(text: str) -> str:
        gate.set()
        return text

    async with OperatorHarness(CoMap(first, second, concurrency=1)) as op:
        op.process([1, 2], port=0)
        op.process(["a"], port=1)
        assert op.logic.pending
        await op.settle()
    assert sorted(map(str, op.values)) == ["1", "2", "a"]


async def test_a_pool_without_room_holds_up_both_inputs() -> None:
    async def forever(value: int) -> None:
        await asyncio.Event().wait()

    async with OperatorHarness(CoMap(forever, str, concurrency=2), batch_size=4) as op:
        assert op.logic.has_room
        op.process(range(10), port=0)
        assert not op.logic.has_room


async def test_an_instance_is_closed_after_all_of_its_calls() -> None:
    log: list[str] = []

    class Slow(CoMapFunction[int, int, int]):
        async def map1(self, value: int) -> int:
            return await self._wait("map1")

        async def map2(self, value: int) -> int:
            return await self._wait("map2")

        async def _wait(self, name: str) -> int:
            try:
                await asyncio.Event().wait()
            finally:
                log.append(name)
            return 0

        async def close(self) -> None:
            log.append("close")

    async with OperatorHarness(CoMap(Slow)) as op:
        op.process([1], port=0)
        op.process([1], port=1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert sorted(log[:2]) == ["map1", "map2"]
    assert log[2:] == ["close"]


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
async def test_a_watermark_comes_once_behind_the_earlier_records_of_both(order: tuple[str, ...]) -> None:
    gates = {name: asyncio.Event() for name in "abc"}

    async def gated(name: str) -> str:
        await gates[name].wait()
        return name

    async with OperatorHarness(CoMap(gated, gated)) as op:
        op.process(["a"], port=0)
        op.watermark(1)
        op.process(["b"], port=1)
        op.watermark(2)
        op.process(["c"], port=0)
        op.watermark(3)
        for name in order:
            gates[name].set()
            for _ in range(5):
                await asyncio.sleep(0)
            op.emitted.extend(op.logic.collect())  # type: ignore[arg-type]  # no logic here asks to wait
        await op.settle()
        op.watermark(4)
    marks = [emission.timestamp for emission in op.emitted if isinstance(emission, Watermark)]
    assert marks == [1, 2, 3, 4]
    place = {
        value: index
        for index, emission in enumerate(op.emitted)
        for value in (emission.values if isinstance(emission, Batch) else [emission])
    }
    assert place["a"] < place[Watermark(1)]
    assert place["b"] < place[Watermark(2)]
    assert place["c"] < place[Watermark(3)]


async def test_equal_watermarks_are_all_given_out() -> None:
    gate = asyncio.Event()

    async def gated(value: int) -> int:
        await gate.wait()
        return value

    async with OperatorHarness(CoMap(gated, gated)) as op:
        op.process([1], port=0)
        op.watermark(5)
        op.process([2], port=1)
        op.watermark(5)
        gate.set()
        await op.settle()
        assert not op.logic.pending
    assert Watermark(5) in op.emitted
    assert isinstance(op.emitted[-1], Watermark)


async def test_the_policy_holds_for_both() -> None:
    operator: CoMap[Any, Any, Any] = CoMap(int, float, on_error=DeadLetter())
    assert operator.side_outputs == ("dead_letters",)
    async with OperatorHarness(operator) as op:
        op.process(["1", "x"], port=0)
        op.process(["y", "2.5"], port=1)
    assert op.values == [1, 2.5]
    assert [letter.value for letter in op.side["dead_letters"]] == ["x", "y"]


async def test_a_failure_names_its_record() -> None:
    async with OperatorHarness(CoMap(int, float)) as op:
        with pytest.raises(RecordFailed, match="record: 'y'"):
            op.process(["y"], port=1)


async def test_options_that_suit_one_side_only_are_for_that_one() -> None:
    async def forever(value: int) -> None:
        await asyncio.Event().wait()

    async with OperatorHarness(CoMap(forever, str, timeout=0.001)) as op:
        op.process([1], port=1)
        op.process([1], port=0)
        with pytest.raises(RecordFailed, match="TimeoutError"):
            await op.settle()
    assert op.values == ["1"]


async def test_plain_functions_may_block() -> None:
    async with OperatorHarness(CoMap(str, abs, blocking=True)) as op:
        op.process([1], port=0)
        op.process([-2], port=1)
        await op.settle()
    assert sorted(op.values, key=str) == ["1", 2]


class Mapped(MapFunction[int, int]):
    def map(self, value: int) -> int:
        return value


class Halfway(CoMapFunction[int, int, int]):
    def map1(self, value: int) -> int:
        return value


def described(kind: Any, *args: Any, **options: Any) -> Callable[[], Any]:
    """Makes what the types alone would refuse."""
    return functools.partial(kind, *args, **options)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (described(CoMap, str), "co_map: write a function for each of the two streams, or a sage.CoMapFunction"),
        (described(CoMap, Both, str), "co_map: Both has map1 and map2 already; leave the second out"),
        (described(CoMap, Halfway), "co_map: Halfway does not define map2"),
        (described(CoMap, str, 5), "co_map: 5 is a int, not a function"),
        (described(CoMap, str, Both), "co_map: Both is not a MapFunction"),
        (described(CoMap, str, str, concurrency=0), "co_map: concurrency=0"),
        (described(CoMap, str, str, timeout=1), "co_map: timeout=1 needs an async function"),
        (described(CoMap, str, str, on_error=3), "co_map: on_error=3 is not a policy"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        make()


def test_labels() -> None:
    assert CoMap(Both).label == "Both"
    assert CoMap(str, abs).label == "str, abs"
    assert CoMap(lambda value: value, abs).label == "abs"
    assert described(CoMap, Mapped, Mapped())().label == "Mapped"
