"""Lists of values, by size or by time."""

from collections.abc import Callable
from typing import Any

import pytest

from sage.operators.contract import Tagged
from sage.operators.elements import Batch, Watermark
from sage.operators.errors import InvalidOperator
from sage.operators.gathering import Gatherer
from sage.operators.micro_batch import Gather
from sage.testing import ManualClock, OperatorHarness


def rows(op: OperatorHarness) -> list[Any]:
    """What came out: each list with its timestamp and call, and watermarks."""
    found: list[Any] = []
    for emission in op.emitted:
        if isinstance(emission, Batch):
            columns = [column or [None] * len(emission) for column in (emission.timestamps, emission.calls)]
            found += zip(emission.values, *columns, strict=True)
        else:
            found.append(emission)
    return found


async def test_a_list_goes_out_as_soon_as_it_is_full() -> None:
    async with OperatorHarness(Gather(3)) as op:
        op.process([0, 1])
        assert op.values == []
        op.process([2, 3, 4, 5, 6])
        assert op.values == [[0, 1, 2], [3, 4, 5]]
        await op.end()
        assert op.values == [[0, 1, 2], [3, 4, 5], [6]]
        assert op.batches == [[[0, 1, 2], [3, 4, 5]], [[6]]]


async def test_a_list_goes_out_when_its_first_value_has_waited_long_enough() -> None:
    async with OperatorHarness(Gather(3, max_wait=10)) as op:
        op.process([0])
        op.advance(9)
        op.process([1])
        assert op.values == []
        op.advance(1)
        assert op.values == [[0, 1]]
        op.advance(100)
        assert op.values == [[0, 1]]


async def test_what_is_left_of_a_batch_waits_from_then_on() -> None:
    async with OperatorHarness(Gather(3, max_wait=10)) as op:
        op.process([0, 1])
        op.advance(9)
        op.process([2, 3])
        assert op.values == [[0, 1, 2]]
        op.advance(9)
        assert op.values == [[0, 1, 2]]
        op.advance(1)
        assert op.values == [[0, 1, 2], [3]]


async def test_without_a_time_values_wait_for_the_end() -> None:
    async with OperatorHarness(Gather(3)) as op:
        op.process([0])
        op.advance(1e9)
        assert op.values == []
        op.flush()
        assert op.values == [[0]]


async def test_no_time_at_all_gathers_what_came_before_the_timer() -> None:
    async with OperatorHarness(Gather(3, max_wait=0)) as op:
        op.process([0])
        op.process([1])
        op.advance(0)
        assert op.values == [[0, 1]]


async def test_an_empty_input_makes_no_list() -> None:
    async with OperatorHarness(Gather(3, max_wait=1)) as op:
        op.process([])
        op.advance(2)
        await op.end()
        assert op.emitted == []


async def test_no_batch_of_lists_is_longer_than_the_limit() -> None:
    async with OperatorHarness(Gather(2), batch_size=3) as op:
        op.process(range(20))
    assert [len(batch) for batch in op.batches] == [3, 3, 3, 1]


async def test_a_list_has_the_timestamp_of_its_last_record_and_no_key() -> None:
    async with OperatorHarness(Gather(2)) as op:
        op.process(Batch(["a", "b", "c"], ["k"] * 3, [3, 1, 2]))
        op.process(Batch(["d", "e"], ["k"] * 2, [5, 4]))
        await op.end()
    assert rows(op) == [(["a", "b"], 1, None), (["c", "d"], 5, None), (["e"], 4, None)]
    assert all(batch.keys is None for batch in op.emitted if isinstance(batch, Batch))


async def test_a_list_belongs_to_one_call() -> None:
    async with OperatorHarness(Gather(2, max_wait=10)) as op:
        op.process(Batch([1, 2, 3, 4], None, None, ["x", "y", "x", "z"]))
        assert rows(op) == [([1, 3], None, "x")]
        op.advance(5)
        op.process(Batch([5, 6, 7], None, None, ["y", "y", "y"]))
        assert rows(op)[1:] == [([2, 5], None, "y"), ([6, 7], None, "y")]
        op.process(Batch([8], None, None, ["x"]))
        op.advance(5)
        assert rows(op)[3:] == [([4], None, "z")]
        await op.end()
        assert rows(op)[4:] == [([8], None, "x")]


async def test_records_with_other_columns_are_not_joined() -> None:
    async with OperatorHarness(Gather(3)) as op:
        op.process([1])
        op.process(Batch([2], None, [20]))
        op.process(Batch([3, 4, 5], None, [30, 40, 50]))
        await op.end()
    assert rows(op) == [([1], None, None), ([2, 3, 4], 40, None), ([5], 50, None)]


async def test_changing_a_list_does_not_change_what_others_see() -> None:
    shared = Batch([1, 2])
    async with OperatorHarness(Gather(5)) as op:
        op.process(shared)
        op.flush()
    op.values[0].clear()
    assert shared.values == [1, 2]


# ---- timers


async def test_there_is_one_timer_for_a_list_and_none_for_a_record() -> None:
    timers: list[float] = []
    fired: list[float] = []

    class Counting(ManualClock):
        def call_at(self, when: float, callback: Callable[[], None]) -> Any:
            def fire() -> None:
                fired.append(when)
                callback()

            timers.append(when)
            return super().call_at(when, fire)

    async with OperatorHarness(Gather(100, max_wait=1)) as op:
        op.clock = Counting()
        for number in range(250):
            op.process([number])
        assert len(timers) == 3
        op.process(range(150))  # fills the third list and a fourth
        assert len(timers) == 3
        op.advance(2)
        assert fired == []  # a list that goes out takes its timer along
    assert [len(values) for values in op.values] == [100] * 4


async def test_a_timer_that_comes_too_late_does_nothing() -> None:
    class Late:
        """A context the timers of which cannot be cancelled in time."""

        def __init__(self) -> None:
            self.tags: list[Any] = []

        def now(self) -> float:
            return 0

        def set_timer(self, at: float, tag: Any) -> Any:
            self.tags.append(tag)
            return ManualClock().call_at(at, lambda: None)

    context: Any = Late()
    gatherer = Gatherer(2, 1, by_call=False)
    gatherer.open(context)
    assert gatherer.add(Batch([1])) == []
    assert [records.values for records in gatherer.add(Batch([2, 3]))] == [[1, 2]]
    first, second = context.tags
    assert gatherer.due(first) == []
    assert [records.values for records in gatherer.due(second)] == [[3]]
    assert gatherer.due(second) == []


# ---- watermarks


async def test_a_watermark_passes_when_nothing_is_held() -> None:
    async with OperatorHarness(Gather(1)) as op:
        op.process(Batch([1], None, [1]))
        op.watermark(1)
        assert rows(op) == [([1], 1, None), Watermark(1)]


async def test_watermarks_stay_behind_what_was_held_when_they_came() -> None:
    async with OperatorHarness(Gather(2, max_wait=10)) as op:
        op.process(Batch([1], None, [1]))
        op.watermark(1)
        op.process(Batch([2, 3], None, [2, 3]))
        op.watermark(2)
        await op.settle()
        assert rows(op) == [([1, 2], 2, None), Watermark(1)]
        op.process(Batch([4, 5], None, [4, 5]))
        await op.settle()
        assert rows(op)[2:] == [([3, 4], 4, None), Watermark(2)]
        op.watermark(5)
        op.advance(10)
        await op.settle()
        assert rows(op)[4:] == [([5], 5, None), Watermark(5)]


async def test_watermarks_wait_for_every_call() -> None:
    async with OperatorHarness(Gather(2)) as op:
        op.process(Batch([1, 2], None, [1, 2], ["x", "y"]))
        op.watermark(2)
        op.process(Batch([3, 4], None, [3, 4], ["x", "x"]))
        op.watermark(4)
        await op.settle()
        assert rows(op) == [([1, 3], 3, "x")]
        op.process(Batch([5], None, [5], ["y"]))
        await op.settle()
        assert rows(op)[1:] == [([2, 5], 5, "y"), Watermark(2)]
        await op.end()
        assert rows(op)[3:] == [([4], 4, "x"), Watermark(4)]


async def test_a_watermark_never_overtakes_one_that_is_kept() -> None:
    async with OperatorHarness(Gather(2)) as op:
        op.process(Batch([1], None, [1]))
        op.watermark(1)
        op.process(Batch([2], None, [2]))
        op.watermark(2)  # nothing is held, but the first one was not collected yet
        await op.settle()
        assert rows(op) == [([1, 2], 2, None), Watermark(1), Watermark(2)]
        assert not any(isinstance(emission, Tagged) for emission in op.emitted)


@pytest.mark.parametrize(("max_size", "max_wait"), [(0, None), (-1, None), (2.5, None), (1, -1)])
def test_mistakes_are_refused(max_size: Any, max_wait: Any) -> None:
    with pytest.raises(InvalidOperator, match="batch: max_"):
        Gather(max_size, max_wait)
