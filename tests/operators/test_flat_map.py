"""One record in, any number out."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.flat_map import FlatMap
from sage.operators.policies import DeadLetter, Fail, Retry
from sage.testing import OperatorHarness


def as_list(number: int) -> list[int]:
    return [number] * number


def as_generator(number: int) -> Iterator[int]:
    for _ in range(number):
        yield number


async def awaited(number: int) -> list[int]:
    await asyncio.sleep(0)
    return [number] * number


async def as_async_generator(number: int) -> AsyncIterator[int]:
    for _ in range(number):
        await asyncio.sleep(0)
        yield number


EVERY_KIND = [as_list, as_generator, awaited, as_async_generator]


@pytest.mark.parametrize("function", EVERY_KIND)
@pytest.mark.parametrize("policy", [Fail(), DeadLetter()], ids=repr)
async def test_results_take_the_place_of_their_record(function: Callable[[int], Any], policy: Any) -> None:
    async with OperatorHarness(FlatMap(function, on_error=policy)) as op:
        op.process(Batch([2, 0, 1, 3], ["k"] * 4, [20, 0, 10, 30], ["a", "a", "a", "a"]))
        await op.end()
    found = [batch for batch in op.emitted if isinstance(batch, Batch)]
    assert [value for batch in found for value in batch.values] == [2, 2, 1, 3, 3, 3]
    assert [timestamp for batch in found for timestamp in batch.timestamps or ()] == [20, 20, 10, 30, 30, 30]
    assert [call for batch in found for call in batch.calls or ()] == ["a"] * 6
    assert [batch.keys for batch in found] == [None] * len(found)


@pytest.mark.parametrize("function", EVERY_KIND)
@pytest.mark.parametrize("policy", [Fail(), DeadLetter()], ids=repr)
async def test_no_batch_is_longer_than_the_limit(function: Callable[[int], Any], policy: Any) -> None:
    async with OperatorHarness(FlatMap(function, on_error=policy), batch_size=4) as op:
        op.process([1, 30, 2, 9])
        await op.end()
    assert op.values == [1] + [30] * 30 + [2] * 2 + [9] * 9
    assert max(map(len, op.batches)) <= 4


@pytest.mark.parametrize("function", [as_list, as_generator])
async def test_results_of_several_records_share_a_batch(function: Callable[[int], Any]) -> None:
    async with OperatorHarness(FlatMap(function)) as op:
        op.context.budget = float("inf")
        op.process([1, 2])
    assert op.batches == [[1, 2, 2]]


async def test_an_iterable_that_a_blocking_function_returns_is_read_in_its_thread() -> None:
    threads: list[Any] = []

    def one_by_one(number: int) -> Iterator[int]:
        threads.append(threading.current_thread())
        yield number

    async with OperatorHarness(FlatMap(lambda number: one_by_one(number), blocking=True)) as op:
        op.process([1])
        await op.settle()
    assert op.values == [1]
    assert threading.main_thread() not in threads


async def test_a_blocking_generator_is_run_in_a_thread() -> None:
    async with OperatorHarness(FlatMap(as_generator, blocking=True)) as op:
        op.process([1, 2])
        await op.end()
    assert op.values == [1, 2, 2]


async def test_the_runner_may_leave_an_endless_generator() -> None:
    closed: list[bool] = []

    def endless(value: int) -> Iterator[int]:
        try:
            while True:
                yield value
        finally:
            closed.append(True)

    async with OperatorHarness(FlatMap(endless), batch_size=4) as op:
        op.context.budget = float("inf")
        emissions = iter(op.logic.process(Batch([7]), 0))
        batches = [next(emissions) for _ in range(5)]
        assert all(isinstance(batch, Batch) and 1 <= len(batch) <= 4 for batch in batches)
        del emissions
        assert closed == [True]


# ---- failures


def fails_after(number: int) -> Iterator[int]:
    yield number
    if number == 2:
        raise ConnectionError("in the middle")
    yield -number


async def fails_after_later(number: int) -> AsyncIterator[int]:
    for result in fails_after(number):
        yield result


@pytest.mark.parametrize("function", [fails_after, fails_after_later])
async def test_by_default_results_go_out_as_they_are_made(function: Callable[[int], Any]) -> None:
    async with OperatorHarness(FlatMap(function)) as op:
        with pytest.raises(RecordFailed, match=r"in the middle.*record: 2"):
            op.process([1, 2, 3])
            await op.end()
    assert op.values == [1, -1, 2]


@pytest.mark.parametrize("function", [fails_after, fails_after_later])
async def test_a_record_that_is_set_aside_leaves_no_results(function: Callable[[int], Any]) -> None:
    async with OperatorHarness(FlatMap(function, on_error=DeadLetter())) as op:
        op.process([1, 2, 3])
        await op.end()
    assert op.values == [1, -1, 3, -3]
    assert [letter.value for letter in op.side["dead_letters"]] == [2]


async def test_a_generator_that_is_tried_again_begins_anew() -> None:
    attempts = 0

    def flaky(value: str) -> Iterator[str]:
        nonlocal attempts
        attempts += 1
        yield value
        if attempts < 3:
            raise ConnectionError(value)
        yield value.upper()

    async with OperatorHarness(FlatMap(flaky, on_error=Retry(attempts=3, delay=1))) as op:
        op.process(["a", "b"])
    assert op.values == ["a", "A", "b", "B"]
    assert op.slept == [1, 2]


async def test_stop_iteration_ends_nothing() -> None:
    def stops(value: int) -> list[int]:
        raise StopIteration

    async with OperatorHarness(FlatMap(stops)) as op:
        with pytest.raises(RecordFailed, match=r"StopIteration.*record: 1"):
            op.process([1])


async def returns_none_later(value: int) -> Any:
    return None


@pytest.mark.parametrize("policy", [Fail(), DeadLetter(), Retry(delay=0, then=DeadLetter())], ids=repr)
@pytest.mark.parametrize("function", [lambda value: None, returns_none_later])
async def test_a_function_that_returns_none_is_a_mistake_under_any_policy(
    function: Callable[[int], Any], policy: Any
) -> None:
    async with OperatorHarness(FlatMap(function, on_error=policy)) as op:
        with pytest.raises(InvalidOperator, match="returned None for record 1; return an iterable"):
            op.process([1])
            await op.settle()


async def test_other_mistakes_are_told_too() -> None:
    async with OperatorHarness(FlatMap(lambda value: value)) as op:
        with pytest.raises(
            InvalidOperator, match="returned 1, a int, for record 1; that is not iterable: return a list"
        ):
            op.process([1])
    async with OperatorHarness(FlatMap(lambda value: awaited(value))) as op:
        with pytest.raises(InvalidOperator, match="async def"):
            op.process([1])
    async with OperatorHarness(FlatMap(lambda value: asyncio.get_running_loop().create_future())) as op:
        with pytest.raises(InvalidOperator, match=r"something to await \(_?Future\)"):
            op.process([1])
    async with OperatorHarness(FlatMap(lambda value: as_async_generator(value))) as op:
        with pytest.raises(InvalidOperator, match=r"\(async_generator\), .* write an `async def` that yields"):
            op.process([1])


async def test_a_generator_that_keeps_its_cancellation_to_itself_is_closed_all_the_same() -> None:
    made: list[int] = []
    waits = asyncio.Event()

    async def deaf(value: int) -> AsyncIterator[int]:
        for number in range(1_000):
            made.append(number)
            yield number
            with suppress(asyncio.CancelledError):
                await waits.wait() if number == 3 else await asyncio.sleep(0)

    async with OperatorHarness(FlatMap(deaf)) as op:
        op.process([1])
        while len(made) < 4:
            await asyncio.sleep(0)
    assert len(made) == 5
