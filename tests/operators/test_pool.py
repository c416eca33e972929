"""The pool behind async functions: how many run, in what order results go out, what waits for what."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from sage.operators.elements import Batch, Watermark
from sage.operators.errors import RecordFailed
from sage.operators.flat_map import FlatMap
from sage.operators.map import Map
from sage.operators.policies import DeadLetter, Letter, Retry
from sage.testing import OperatorHarness


class Gates:
    """An async function each call of which ends when the test says so."""

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.ended: list[Any] = []
        self._gates: dict[Any, asyncio.Event] = {}

    async def __call__(self, value: Any) -> Any:
        self.started.append(value)
        try:
            await self._gate(value).wait()
        finally:
            self.ended.append(value)
        return value

    def open(self, *values: Any) -> None:
        for value in values:
            self._gate(value).set()

    def _gate(self, value: Any) -> asyncio.Event:
        return self._gates.setdefault(value, asyncio.Event())


async def turns(number: int = 20) -> None:
    """Let everything that is ready run."""
    for _ in range(number):
        await asyncio.sleep(0)


def has_room(op: OperatorHarness) -> bool:
    return op.logic.has_room


def collect(op: OperatorHarness) -> None:
    """Collect what is ready, without waiting for the rest."""
    op.emitted.extend(op.logic.collect())  # type: ignore[arg-type]  # no logic here asks to wait


# ---- how many run


@pytest.mark.parametrize("ordered", [True, False])
async def test_no_more_than_concurrency_run_at_a_time(ordered: bool) -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates, concurrency=3, ordered=ordered)) as op:
        op.process(range(10))
        await turns()
        assert gates.started == [0, 1, 2]
        gates.open(1)
        await turns()
        assert gates.started == [0, 1, 2, 3]
        gates.open(*range(10))
        await op.settle()
        assert sorted(op.values) == list(range(10))


async def test_a_slow_record_does_not_idle_the_others() -> None:
    gates = Gates()
    gates.open(*range(1, 30))
    async with OperatorHarness(Map(gates, concurrency=2), batch_size=8) as op:
        op.process(range(30))
        await turns(100)
        # The second place goes on until a batch of results waits behind the slow one.
        assert gates.started == list(range(9))
        assert op.values == []
        gates.open(0)
        await op.settle()
        assert op.values == list(range(30))
        assert max(len(batch) for batch in op.batches) <= 8


async def test_an_unordered_pool_stops_when_a_batch_of_results_waits() -> None:
    gates = Gates()
    gates.open(*range(30))
    async with OperatorHarness(Map(gates, concurrency=2, ordered=False), batch_size=8) as op:
        op.process(range(30))
        await turns(100)
        assert len(gates.started) <= 8 + 2
        collect(op)
        await turns(100)
        assert 16 <= len(gates.started) <= 16 + 4
        await op.settle()
        assert sorted(op.values) == list(range(30))


async def test_room_is_for_as_many_as_can_start_soon() -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates, concurrency=2)) as op:
        assert has_room(op)
        op.process(range(5))
        assert not has_room(op)
        await turns()
        assert not has_room(op)  # 2 run, 3 wait
        gates.open(0)
        await turns()
        assert not has_room(op)  # 2 run, 2 wait
        gates.open(1)
        await turns()
        assert has_room(op)
        gates.open(2, 3, 4)
        await op.settle()
        assert has_room(op)
        assert not op.logic.pending


async def test_room_again_is_told() -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates, concurrency=1, ordered=False)) as op:
        told: list[bool] = []
        op.wake = lambda: told.append(op.logic.has_room)  # type: ignore[method-assign]  # a test's eye
        op.process(range(2))
        assert not op.logic.has_room
        await turns()
        assert gates.started == [0]
        assert told == []
        gates.open(0)
        await turns()
        assert gates.started == [0, 1]
        assert told[-1] is True


async def test_no_more_workers_than_records() -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates, concurrency=1000)) as op:
        before = len(asyncio.all_tasks())
        op.process(range(3))
        assert len(asyncio.all_tasks()) == before + 3
        gates.open(*range(6))
        await op.settle()
        op.process(range(3, 6))
        assert len(asyncio.all_tasks()) == before + 3
        await op.settle()
        assert op.values == list(range(6))


# ---- order


async def test_results_keep_the_order_of_records() -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates)) as op:
        op.process("abc")
        gates.open("c", "b")
        await turns()
        collect(op)
        assert op.values == []
        gates.open("a")
        await op.settle()
        assert op.batches == [["a", "b", "c"]]
        assert gates.ended == ["b", "c", "a"]


async def test_unordered_results_go_out_as_they_come() -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates, ordered=False)) as op:
        op.process("abc")
        for value in "cab":
            gates.open(value)
            await turns()
            collect(op)
        assert op.batches == [["c"], ["a"], ["b"]]
        assert not op.logic.pending


@pytest.mark.parametrize("ordered", [True, False])
async def test_results_keep_the_columns_of_their_record(ordered: bool) -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates, ordered=ordered)) as op:
        op.process(Batch(["a", "b"], ["key", "key"], [1, 2], ["call", "call"]))
        gates.open("b")
        await turns()
        gates.open("a")
        await op.settle()
        found = [
            row
            for batch in op.emitted
            if isinstance(batch, Batch) and batch.timestamps and batch.calls and batch.keys is None
            for row in zip(batch.values, batch.timestamps, batch.calls, strict=True)
        ]
        rows = [("a", 1, "call"), ("b", 2, "call")]
        assert found == (rows if ordered else rows[::-1])


async def test_records_with_other_columns_go_out_in_batches_of_their_own() -> None:
    gates = Gates()
    gates.open(1, 2, 3)
    async with OperatorHarness(Map(gates)) as op:
        op.process([1])
        op.process(Batch([2], None, [7]))
        op.process([3])
        await op.settle()
        assert [(batch.values, batch.timestamps) for batch in op.emitted if isinstance(batch, Batch)] == [
            ([1], None),
            ([2], [7]),
            ([3], None),
        ]


# ---- generators


class Counter:
    """An async generator function that tells how far it got."""

    def __init__(self, length: int = 100) -> None:
        self.length = length
        self.made: list[Any] = []
        self.closed: list[Any] = []

    async def __call__(self, value: Any) -> AsyncGenerator[Any, None]:
        try:
            for number in range(self.length):
                self.made.append(value)
                yield value, number
        finally:
            self.closed.append(value)


async def test_results_of_a_generator_go_out_before_it_ends() -> None:
    more = asyncio.Event()

    async def two(value: int) -> AsyncIterator[int]:
        yield value
        await more.wait()
        yield -value

    async with OperatorHarness(FlatMap(two)) as op:
        op.process([1])
        await turns()
        collect(op)
        assert op.values == [1]
        assert op.logic.pending
        more.set()
        await op.settle()
        assert op.values == [1, -1]


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_generator_that_is_not_collected_waits(ordered: bool) -> None:
    counter = Counter()
    async with OperatorHarness(FlatMap(counter, ordered=ordered), batch_size=8, budget=float("inf")) as op:
        op.process(["a"])
        await turns()
        assert len(counter.made) == 8
        collect(op)
        await turns()
        assert len(counter.made) == 16
        await op.settle()
        assert op.values == [("a", number) for number in range(100)]


async def test_later_generators_fill_one_batch_together_then_wait_for_the_oldest() -> None:
    counter = Counter()
    gates = Gates()

    async def oldest_waits(value: str) -> AsyncIterator[Any]:
        if value == "a":
            await gates(value)
        async for result in counter(value):
            yield result

    async with OperatorHarness(FlatMap(oldest_waits, concurrency=3), batch_size=8, budget=float("inf")) as op:
        op.process("abc")
        await turns()
        assert 8 <= len(counter.made) <= 9  # each may be one ahead
        gates.open("a")
        await op.settle()
        assert op.values == [(value, number) for value in "abc" for number in range(100)]


async def test_a_generator_without_results_holds_up_nothing() -> None:
    async def none(value: int) -> AsyncIterator[int]:
        for number in range(0):
            yield number

    for ordered in (True, False):
        async with OperatorHarness(FlatMap(none, ordered=ordered)) as op:
            op.process(range(5))
            await op.settle()
            assert op.emitted == []


# ---- the event loop


async def loop_turns(work: Coroutine[Any, Any, None]) -> int:
    """How many turns of the loop `work` takes."""
    loop = asyncio.get_running_loop()
    counted = 0
    done = False

    def count() -> None:
        nonlocal counted
        if not done:
            counted += 1
            loop.call_soon(count)

    loop.call_soon(count)
    await work
    done = True
    return counted


async def never_awaits(value: Any) -> Any:
    return value


async def test_a_function_that_never_awaits_gives_way() -> None:
    async with OperatorHarness(Map(never_awaits, concurrency=8), budget=0) as op:  # used up at once
        op.process(range(50))
        assert await loop_turns(op.settle()) >= 50
        assert op.values == list(range(50))


async def test_a_generator_that_never_awaits_gives_way() -> None:
    async with OperatorHarness(FlatMap(Counter(50)), budget=0) as op:
        op.process(["a"])
        assert await loop_turns(op.settle()) >= 50


async def test_within_its_budget_a_pool_does_not_give_way() -> None:
    async with OperatorHarness(Map(never_awaits, concurrency=8), budget=float("inf")) as op:
        op.process(range(500))
        assert await loop_turns(op.settle()) < 10
        assert op.values == list(range(500))


# ---- failures


async def test_a_failure_names_the_record_and_keeps_what_came_before() -> None:
    async def invert(value: int) -> float:
        return 1 / value

    async with OperatorHarness(Map(invert)) as op:
        op.process([1, 2, 0, 4])
        with pytest.raises(RecordFailed, match=r"ZeroDivisionError.*record: 0") as caught:
            await op.settle()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert op.values == [1, 0.5]


async def test_a_call_that_takes_too_long_fails_and_is_cancelled() -> None:
    gates = Gates()
    gates.open("quick")
    async with OperatorHarness(Map(gates, timeout=0.001, on_error=DeadLetter())) as op:
        op.process(["slow", "quick"])
        await op.settle()
        assert op.values == ["quick"]
        (letter,) = op.side["dead_letters"]
        assert letter.value == "slow"
        assert isinstance(letter.error, TimeoutError)
        assert gates.ended == ["quick", "slow"]


async def test_a_generator_is_not_timed_while_it_waits_for_room() -> None:
    counter = Counter(20)
    async with OperatorHarness(FlatMap(counter, timeout=0.001), batch_size=8, budget=float("inf")) as op:
        op.process(["a"])
        await turns()
        assert len(counter.made) == 8
        parked_past_its_time = asyncio.Event()
        asyncio.get_running_loop().call_later(0.003, parked_past_its_time.set)
        await parked_past_its_time.wait()
        await op.settle()
        assert len(op.values) == 20


async def test_a_function_cancelled_from_within_fails_its_record_only() -> None:
    called: list[int] = []

    async def awaits_a_cancelled_future(value: int) -> int:
        called.append(value)
        if value == 2:
            future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            future.cancel()
            return await future
        return value

    async with OperatorHarness(Map(awaits_a_cancelled_future, concurrency=1)) as op:
        op.process([1, 2, 3])
        with pytest.raises(RecordFailed, match=r"CancelledError.*record: 2"):
            await op.settle()
        assert op.values == [1]
        await turns()
        assert called == [1, 2, 3]


class Flaky:
    """Fails so often for each value, then gives it back."""

    def __init__(self, **failures: int) -> None:
        self.failures = failures
        self.calls: list[str] = []

    async def __call__(self, value: str) -> str:
        self.calls.append(value)
        if self.calls.count(value) <= self.failures.get(value, 0):
            raise ConnectionError(f"{value} failed")
        return value


async def test_retry_calls_again_and_keeps_the_order() -> None:
    flaky = Flaky(a=2, c=1)
    async with OperatorHarness(Map(flaky, concurrency=2, on_error=Retry(attempts=3, delay=0))) as op:
        op.process("abcd")
        await op.settle()
        assert op.values == ["a", "b", "c", "d"]
        assert sorted(flaky.calls) == sorted("aaabccd")


async def test_after_the_last_attempt_the_record_is_set_aside() -> None:
    flaky = Flaky(a=9)
    policy = Retry(attempts=3, delay=0, then=DeadLetter())
    async with OperatorHarness(Map(flaky, on_error=policy), subtask_index=1, parallelism=2) as op:
        op.process(Batch(["a", "b"], None, [1, 2]))
        await op.settle()
        assert op.values == ["b"]
        (letter,) = op.side["dead_letters"]
        assert isinstance(letter, Letter)
        assert (letter.value, letter.attempts, letter.operator, letter.subtask) == ("a", 3, "map", 1)
        assert isinstance(letter.error, ConnectionError)


async def test_a_generator_that_is_tried_again_leaves_no_results_of_the_failed_attempt() -> None:
    attempts = 0

    async def fails_in_the_middle(value: int) -> AsyncIterator[int]:
        nonlocal attempts
        attempts += 1
        yield value
        if attempts == 1:
            raise ConnectionError("in the middle")
        yield -value

    async with OperatorHarness(FlatMap(fails_in_the_middle, on_error=Retry(delay=0))) as op:
        op.process([1])
        await op.settle()
        assert op.values == [1, -1]


async def test_dead_letters_keep_their_place_and_columns() -> None:
    flaky = Flaky(b=9)
    async with OperatorHarness(Map(flaky, on_error=DeadLetter())) as op:
        op.process(Batch(["a", "b", "c"], None, [1, 2, 3], ["x", "y", "z"]))
        await op.settle()
        first, letter, last = op.emitted
        assert isinstance(first, Batch)
        assert isinstance(last, Batch)
        assert (first.values, first.timestamps, first.calls) == (["a"], [1], ["x"])
        assert (last.values, last.timestamps, last.calls) == (["c"], [3], ["z"])
        assert isinstance(letter, tuple)
        assert (letter.batch.timestamps, letter.batch.calls) == ([2], ["y"])


# ---- watermarks


async def test_a_watermark_passes_when_nothing_is_in_flight() -> None:
    async with OperatorHarness(Map(never_awaits)) as op:
        op.watermark(1)
        op.process([1])
        await op.settle()
        op.watermark(2)
        assert [type(emission) for emission in op.emitted] == [Watermark, Batch, Watermark]


def trace(op: OperatorHarness) -> list[Any]:
    """What came out: values, and watermarks as they are."""
    found: list[Any] = []
    for emission in op.emitted:
        found += emission.values if isinstance(emission, Batch) else [emission]
    return found


async def test_watermarks_stay_behind_the_records_before_them() -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates)) as op:
        op.process("ab")
        op.watermark(1)
        op.watermark(2)
        op.process("c")
        op.watermark(3)
        gates.open("b", "c")
        await turns()
        collect(op)
        assert trace(op) == []
        gates.open("a")
        await op.settle()
        assert trace(op) == ["a", "b", Watermark(1), Watermark(2), "c", Watermark(3)]


async def test_an_unordered_record_may_pass_a_watermark_but_not_fall_behind_one() -> None:
    gates = Gates()
    async with OperatorHarness(Map(gates, ordered=False)) as op:
        op.process("ab")
        op.watermark(1)
        op.process("c")
        op.watermark(2)
        for value in "cba":
            gates.open(value)
            await turns()
            collect(op)
        assert trace(op) == ["c", "b", "a", Watermark(1), Watermark(2)]
        assert not op.logic.pending


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_failed_record_holds_up_no_watermark(ordered: bool) -> None:
    async with OperatorHarness(Map(Flaky(a=1), ordered=ordered, on_error=DeadLetter())) as op:
        op.process("a")
        op.watermark(1)
        await op.settle()
        assert op.emitted[-1] == Watermark(1)


# ---- the end


async def test_closing_cancels_what_runs_and_waits_for_it() -> None:
    before = asyncio.all_tasks()
    cleaned: list[int] = []

    async def cleans_up(value: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(value)

    async with OperatorHarness(Map(cleans_up, concurrency=2)) as op:
        op.process(range(5))
        await turns()
    assert sorted(cleaned) == [0, 1]
    assert asyncio.all_tasks() == before


async def test_closing_closes_generators() -> None:
    counter = Counter()

    async def counts_then_waits(value: str) -> AsyncIterator[Any]:
        async with aclosing(counter(value)) as results:
            yield await anext(results)
            await asyncio.Event().wait()

    async with OperatorHarness(FlatMap(counts_then_waits)) as op:
        op.process("ab")
        await turns()
        assert counter.made == ["a", "b"]
        assert counter.closed == []
    assert sorted(counter.closed) == ["a", "b"]


async def test_closing_closes_generators_that_wait_for_room() -> None:
    counter = Counter()
    async with OperatorHarness(FlatMap(counter), batch_size=4, budget=float("inf")) as op:
        op.process("a")
        await turns()
        assert len(counter.made) == 4
    assert counter.closed == ["a"]


@pytest.mark.parametrize("timeout", [None, 60])
async def test_what_fails_while_it_is_cancelled_is_logged(
    timeout: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails_on_cancel(value: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError("could not say goodbye")

    policy = Retry(attempts=100, delay=0)
    with caplog.at_level(logging.ERROR):
        async with OperatorHarness(Map(fails_on_cancel, timeout=timeout, on_error=policy)) as op:
            op.process([1])
            await turns()
            async with asyncio.timeout(60):
                await op.logic.close()
    assert "could not say goodbye" in caplog.text


async def test_a_function_that_ignores_cancellation_does_not_hold_up_closing() -> None:
    async def ignores_it(value: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async with OperatorHarness(Map(ignores_it, concurrency=1)) as op:
        op.process([1, 2])
        await turns()
        async with asyncio.timeout(60):
            await op.logic.close()


async def test_idle_workers_end_with_the_pool() -> None:
    before = asyncio.all_tasks()
    async with OperatorHarness(Map(never_awaits)) as op:
        op.process([1])
        await op.settle()
        assert asyncio.all_tasks() != before
    assert asyncio.all_tasks() == before
