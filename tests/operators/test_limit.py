"""Take, skip, distinct, throttle."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.limit import Distinct, Skip, Take, Throttle
from sage.operators.policies import DeadLetter
from sage.testing import OperatorHarness


def columns(op: OperatorHarness) -> list[tuple[Any, ...]]:
    """Values, keys, timestamps and calls, row by row."""
    return [
        row
        for batch in op.emitted
        if isinstance(batch, Batch)
        for row in zip(batch.values, batch.keys or [], batch.timestamps or [], batch.calls or [], strict=True)
    ]


def rows(start: int, stop: int) -> Batch[int]:
    numbers = list(range(start, stop))
    return Batch(numbers, [f"k{n}" for n in numbers], [10 * n for n in numbers], [f"c{n}" for n in numbers])


# ---- take and skip


async def test_take_ends_with_the_last_record_it_takes() -> None:
    async with OperatorHarness(Take(3)) as op:
        finished = [op.logic.finished]
        for values in ([1, 2], [3, 4], [5]):
            op.process(values)
            finished.append(op.logic.finished)
    assert finished == [False, False, True, True]
    assert op.values == [1, 2, 3]


async def test_take_is_not_finished_before_the_last_record_is_out() -> None:
    async with OperatorHarness(Take(1)) as op:
        emissions = iter(op.logic.process(Batch([1, 2]), 0))
        finished = []
        for _ in emissions:
            finished.append(op.logic.finished)  # noqa: PERF401  # while it is suspended
    assert finished == [False]
    assert op.logic.finished


async def test_take_of_nothing_ends_before_it_reads() -> None:
    async with OperatorHarness(Take(0)) as op:
        assert op.logic.finished


async def test_a_batch_that_fits_goes_on_as_it_is() -> None:
    batch = rows(0, 3)
    async with OperatorHarness(Take(3)) as taken, OperatorHarness(Skip(0)) as skipped:
        taken.process(batch)
        skipped.process(batch)
        assert taken.emitted[0] is batch
        assert skipped.emitted[0] is batch


@given(st.integers(0, 12), st.lists(st.integers(1, 5), max_size=4))
async def test_take_and_skip_part_the_stream(count: int, sizes: list[int]) -> None:
    async with OperatorHarness(Take(count)) as taken, OperatorHarness(Skip(count)) as skipped:
        start = 0
        for size in sizes:
            for op in (taken, skipped):
                op.process(rows(start, start + size))
            start += size
        assert taken.logic.finished == (start >= count)
    assert taken.values == list(range(min(count, start)))
    assert columns(taken) + columns(skipped) == [(n, f"k{n}", 10 * n, f"c{n}") for n in range(start)]
    assert all(taken.batches + skipped.batches)


# ---- distinct


async def test_distinct_keeps_the_first_of_equals() -> None:
    async with OperatorHarness(Distinct()) as op:
        op.process([1, 2, 1, 1.0])
        op.process([2, 3, 3])
        op.process([1, 2, 3])
    assert op.batches == [[1, 2], [3]]


async def test_distinct_by_a_function() -> None:
    async with OperatorHarness(Distinct(str.lower)) as op:
        op.process(["A", "a", "b", "B"])
        op.process(["a", "C"])
    assert op.values == ["A", "b", "C"]


async def test_distinct_within_each_key() -> None:
    async with OperatorHarness(Distinct(keyed=True)) as values, OperatorHarness(Distinct(abs, keyed=True)) as sizes:
        for op in (values, sizes):
            op.process(Batch([1, 1, -1, 1], ["a", "b", "a", "a"]))
    assert values.values == [1, 1, -1]
    assert sizes.values == [1, 1]


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=4))
async def test_distinct_equals_the_plain_loop_and_keeps_columns_in_step(batches: list[list[int]]) -> None:
    async with OperatorHarness(Distinct()) as op:
        for values in batches:
            op.process(Batch(values, [-n for n in values], [10 * n for n in values], [str(n) for n in values]))
    expected = dict.fromkeys(value for values in batches for value in values)
    assert columns(op) == [(n, -n, 10 * n, str(n)) for n in expected]
    assert all(op.batches)


async def test_distinct_needs_what_can_be_hashed() -> None:
    async with OperatorHarness(Distinct()) as op:
        with pytest.raises(RecordFailed, match=r"a dict cannot be remembered.*say what to compare") as failed:
            op.process([1, 2, {"id": 1}, 3])
        assert failed.value.value == {"id": 1}
        assert op.values == [1, 2]


async def test_distinct_names_the_record_whose_function_failed() -> None:
    async with OperatorHarness(Distinct(lambda record: record["id"])) as op:
        with pytest.raises(RecordFailed, match=r"KeyError.*record: {}"):
            op.process([{"id": 1}, {"id": 1}, {}])
    assert op.values == [{"id": 1}]


async def test_distinct_can_set_aside_what_cannot_be_compared() -> None:
    class Broken:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            raise ValueError("incomparable")

    broken = Broken()
    async with OperatorHarness(Distinct(on_error=DeadLetter())) as op:
        op.process([1, broken, [], 1, 2])
    assert op.values == [1, 2]
    assert [letter.value for letter in op.side["dead_letters"]] == [broken, []]


async def test_distinct_takes_stop_iteration_for_an_error() -> None:
    async with OperatorHarness(Distinct(next)) as op:
        with pytest.raises(RecordFailed, match="StopIteration"):
            op.process([iter([1]), iter([])])


async def test_distinct_tells_of_a_lambda_that_forgets_to_await() -> None:
    async def later(value: int) -> int:
        return value

    async with OperatorHarness(Distinct(lambda value: later(value))) as op:
        with pytest.raises(InvalidOperator, match="write `async def`"):
            op.process([1])


async def test_distinct_by_key_asks_for_keys() -> None:
    async with OperatorHarness(Distinct(keyed=True)) as op:
        with pytest.raises(InvalidOperator, match="put a key_by"):
            op.process([1])


# ---- throttle


async def times(operator: Throttle[Any], *arrivals: tuple[float, int]) -> list[tuple[float, int]]:
    """When how many records pass, if so many arrive at each time."""
    passed: list[tuple[float, int]] = []
    async with OperatorHarness(operator) as op:
        op.clock.advance(1_700_000_000)  # where a float has less than a microsecond left
        start = op.clock.now()
        for when, number in arrivals:
            if start + when > op.clock.now():
                op.advance(start + when - op.clock.now())
            for emission in op.logic.process(Batch(list(range(number))), 0):
                if isinstance(emission, Batch):
                    passed.append((round(op.clock.now() - start, 4), len(emission)))
                else:
                    op.advance(emission.seconds)  # type: ignore[union-attr]  # nothing else comes out of a throttle
    return passed


async def test_throttle_lets_one_pass_at_a_time() -> None:
    assert await times(Throttle(2), (0, 4)) == [(0, 1), (0.5, 1), (1.0, 1), (1.5, 1)]


async def test_throttle_lets_a_burst_pass_at_once_after_a_quiet_time() -> None:
    assert await times(Throttle(2, burst=3), (0, 5), (100, 5)) == [
        (0, 3),
        (0.5, 1),
        (1, 1),
        (100, 3),
        (100.5, 1),
        (101, 1),
    ]


async def test_throttle_saves_no_more_than_a_burst() -> None:
    assert await times(Throttle(10), (0, 1), (5, 2)) == [(0, 1), (5, 1), (5.1, 1)]


async def test_throttle_passes_whole_batches_untouched_within_its_rate() -> None:
    batch = rows(0, 3)
    async with OperatorHarness(Throttle(1, burst=3)) as op:
        op.process(batch)
    assert op.emitted == [batch]
    assert op.slept == []


async def test_a_high_rate_needs_no_timer_for_each_record() -> None:
    async with OperatorHarness(Throttle(100_000)) as op:
        op.process(range(10_000))
        assert op.values == list(range(10_000))
        assert len(op.slept) < 120
        assert op.clock.now() == pytest.approx(0.1, rel=0.02)


async def test_a_late_timer_does_not_make_the_stream_slower() -> None:
    async with OperatorHarness(Throttle(100)) as op:
        passed = 0
        for emission in op.logic.process(Batch(list(range(201))), 0):
            if isinstance(emission, Batch):
                passed += len(emission)
            else:
                op.advance(emission.seconds + 0.004)  # type: ignore[union-attr]  # nothing else comes out of a throttle
        assert passed == 201
        assert op.clock.now() == pytest.approx(2.0, abs=0.02)


async def test_room_that_comes_late_does_not_count_as_quiet() -> None:
    async with OperatorHarness(Throttle(1, burst=2)) as op:
        emissions = iter(op.logic.process(Batch(list(range(6))), 0))
        assert len(next(emissions)) == 2  # type: ignore[arg-type]  # a batch: the bucket is full
        op.advance(60)  # downstream had no room
        assert len(next(emissions)) == 2  # type: ignore[arg-type]  # no more than a burst


@given(st.floats(0.5, 5000), st.integers(1, 20), st.integers(1, 200))
async def test_throttle_keeps_its_rate_and_its_order(rate: float, burst: int, number: int) -> None:
    async with OperatorHarness(Throttle(rate, burst)) as op:
        op.process(rows(0, number))
        due = max(0, number - burst) / rate
        assert due * 0.99 - 0.001 <= op.clock.now() <= due * 1.01 + 0.0011
    assert columns(op) == [(n, f"k{n}", 10 * n, f"c{n}") for n in range(number)]


# ---- what is refused


def described(kind: Any, *args: Any, **options: Any) -> Callable[[], Any]:
    """Makes what the types alone would refuse."""
    return functools.partial(kind, *args, **options)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (described(Take, -1), "take: -1: write how many records"),
        (described(Take, 1.5), "take: 1.5"),
        (described(Skip, True), "skip: True"),
        (described(Throttle, 0), "throttle: rate=0"),
        (described(Throttle, float("nan")), "throttle: rate=nan"),
        (described(Throttle, float("inf")), "throttle: rate=inf"),
        (described(Throttle, 1, burst=0), "throttle: burst=0"),
        (described(Distinct, "id"), "distinct: by: 'id' is a str; write a plain function of one argument"),
        (described(Distinct, on_error=None), "distinct: on_error=None is not a policy"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        make()
