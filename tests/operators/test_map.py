"""Map, filter and inspect: inline on batches, in the pool, in threads."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sage.operators.each import EachRecord
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.functions import MapFunction
from sage.operators.map import Filter, Inspect, Map
from sage.operators.policies import DeadLetter, Retry
from sage.testing import OperatorHarness


def columns(op: OperatorHarness) -> list[tuple[Any, ...]]:
    """Every row that came out of the main output, with all its columns."""
    found: list[tuple[Any, ...]] = []
    for batch in op.emitted:
        if isinstance(batch, Batch):
            rows = [column or [None] * len(batch) for column in (batch.keys, batch.timestamps, batch.calls)]
            found += zip(batch.values, *rows, strict=True)
    return found


def is_odd(number: int) -> bool:
    return number % 2 == 1


async def is_odd_later(number: int) -> bool:
    await asyncio.sleep(0)
    return is_odd(number)


async def double_later(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def run(operator: EachRecord[Any, Any], *batches: Any) -> OperatorHarness:
    async with OperatorHarness(operator) as op:
        for batch in batches:
            op.process(batch)
        await op.end()
    return op


KEYED = Batch([1, 2, 3], ["a", "b", "c"], [10, 20, 30], ["x", "y", "z"])


@pytest.mark.parametrize("double", [lambda number: 2 * number, double_later])
async def test_map_replaces_values_and_drops_keys(double: Callable[[int], Any]) -> None:
    op = await run(Map(double), KEYED)
    assert columns(op) == [(2, None, 10, "x"), (4, None, 20, "y"), (6, None, 30, "z")]
    assert KEYED.values == [1, 2, 3]


async def test_an_inline_batch_stays_one_batch() -> None:
    op = await run(Map(str), [1, 2], [3])
    assert op.batches == [["1", "2"], ["3"]]


@pytest.mark.parametrize("keep", [is_odd, is_odd_later])
async def test_filter_keeps_values_with_their_columns(keep: Callable[[int], Any]) -> None:
    op = await run(Filter(keep), KEYED)
    found = columns(op)
    assert [(value, timestamp, call) for value, _, timestamp, call in found] == [(1, 10, "x"), (3, 30, "z")]


async def test_a_plain_filter_keeps_keys() -> None:
    op = await run(Filter(is_odd), KEYED)
    assert [key for _, key, _, _ in columns(op)] == ["a", "c"]


@pytest.mark.parametrize("keep", [is_odd, is_odd_later])
async def test_a_batch_of_which_nothing_is_kept_goes_nowhere(keep: Callable[[int], Any]) -> None:
    op = await run(Filter(keep), [2, 4], Batch([6], None, [1]))
    assert op.emitted == []


@pytest.mark.parametrize("blocking", [False, True])
async def test_inspect_passes_records_on(blocking: bool) -> None:
    seen: list[int] = []
    op = await run(Inspect(seen.append, blocking=blocking), KEYED)
    assert seen == [1, 2, 3]
    assert op.values == [1, 2, 3]


# ---- failures of plain functions


def invert(number: int) -> float:
    return 1 / number


async def test_a_failure_names_the_record_and_keeps_what_came_before() -> None:
    async with OperatorHarness(Map(invert)) as op:
        with pytest.raises(RecordFailed, match=r"ZeroDivisionError.*record: 0"):
            op.process([1, 2, 0, 4])
    assert op.values == [1, 0.5]


def above_minus_one(number: int) -> bool:
    return invert(number) > -1


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Map(invert, on_error=DeadLetter()), [1, 0.5, -1]),
        (Filter(above_minus_one, on_error=DeadLetter()), [1, 2]),
        (Inspect(invert, on_error=DeadLetter()), [1, 2, -1]),
    ],
    ids=lambda given: getattr(given, "kind", ""),
)
@pytest.mark.parametrize("timestamps", [None, [1, 2, 3, 4, 5]])
async def test_records_that_fail_are_set_aside_and_the_others_go_on(
    operator: EachRecord[int, Any], expected: list[Any], timestamps: list[int] | None
) -> None:
    op = await run(operator, Batch([0, 1, 2, 0, -1], None, timestamps))
    assert op.values == expected
    assert [letter.value for letter in op.side["dead_letters"]] == [0, 0]
    assert {type(letter.error) for letter in op.side["dead_letters"]} == {ZeroDivisionError}


async def test_a_plain_function_is_tried_again_after_a_pause_and_order_is_kept() -> None:
    failures = {"b": 2, "d": 9}

    def flaky(value: str) -> str:
        failures[value] = failures.get(value, 0) - 1
        if failures[value] >= 0:
            raise ConnectionError(value)
        return value

    op = await run(Map(flaky, on_error=Retry(attempts=3, delay=1, then=DeadLetter())), "abcde")
    assert op.values == ["a", "b", "c", "e"]
    assert [(letter.value, letter.attempts) for letter in op.side["dead_letters"]] == [("d", 3)]
    assert op.slept == [1, 2, 1, 2]


def stops(value: int) -> int:
    if value == 2:
        raise StopIteration
    return value


@pytest.mark.parametrize("operator", [Map, Filter, Inspect], ids=lambda kind: kind.kind)
@pytest.mark.parametrize("timestamps", [None, [1, 2, 3]])
async def test_stop_iteration_ends_nothing(operator: Any, timestamps: list[int] | None) -> None:
    op = await run(operator(stops, on_error=DeadLetter()), Batch([1, 2, 3], None, timestamps))
    assert op.values == [1, 3]
    (letter,) = op.side["dead_letters"]
    assert letter.value == 2


async def test_a_lambda_that_calls_an_async_function_is_told_to_await() -> None:
    async with OperatorHarness(Map(lambda value: double_later(value))) as op:
        with pytest.raises(InvalidOperator, match="async def"):
            op.process([1])


# ---- functions that block


async def test_a_blocking_function_runs_in_threads_side_by_side() -> None:
    both = threading.Barrier(2, timeout=60)

    def meet(value: int) -> int:
        assert threading.current_thread() is not threading.main_thread()
        both.wait()
        return -value

    op = await run(Map(meet, blocking=True, concurrency=2), [1, 2])
    assert op.values == [-1, -2]


async def set_later(event: threading.Event) -> None:
    for _ in range(50):  # so many turns of the loop that whoever does not wait is done
        await asyncio.sleep(0)
    event.set()


async def test_closing_waits_for_threads_before_it_closes_the_function() -> None:
    events: list[str] = []
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    go_on = threading.Event()

    class Slow(MapFunction[int, int]):
        def map(self, value: int) -> int:
            loop.call_soon_threadsafe(started.set)
            go_on.wait(60)
            events.append("returned")
            return value

        def close(self) -> None:
            events.append("closed")

    async with OperatorHarness(Map(Slow(), blocking=True)) as op:
        op.process([1])
        await started.wait()
        release = asyncio.create_task(set_later(go_on))
    await release
    assert events == ["returned", "closed"]


# ---- function classes


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_function_class_is_opened_and_closed(is_async: bool) -> None:
    events: list[str] = []

    class Plain(MapFunction[int, int]):
        def open(self, context: Any) -> None:
            events.append(f"open {context.name}")

        def map(self, value: int) -> Any:
            return value + 1

        def close(self) -> None:
            events.append("close")

    class Async(MapFunction[int, int]):
        async def open(self, context: Any) -> None:
            await asyncio.sleep(0)
            events.append(f"open {context.name}")

        async def map(self, value: int) -> int:
            await asyncio.sleep(0)
            return value + 1

        async def close(self) -> None:
            await asyncio.sleep(0)
            events.append("close")

    op = await run(Map(Async if is_async else Plain), [1])
    assert op.values == [2]
    assert events == ["open map", "close"]


# ---- mistakes


wrong: Any = "retry"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Map(5), "not a function"),
        (lambda: Map(double_later, concurrency=0), "1 or more"),
        (lambda: Map(double_later, timeout=0), "above 0"),
        (lambda: Map(str, timeout=1), "needs an async function"),
        (lambda: Map(double_later, blocking=True), "for plain functions"),
        (lambda: Map(str, on_error=wrong), "not a policy"),
        (lambda: Filter(lambda left, right: True), "one argument"),
    ],
)
def test_mistakes_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidOperator, match=message):
        make()
