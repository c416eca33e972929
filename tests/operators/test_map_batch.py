"""Functions over lists, one result for each value."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sage.operators.elements import Batch, Watermark
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.functions import MapFunction
from sage.operators.map_batch import MapBatch
from sage.operators.policies import DeadLetter, Fail, Retry
from sage.testing import OperatorHarness


class Negate:
    """A function over lists that writes down what it was called with, and fails for some values."""

    def __init__(self, returns: dict[Any, Any] | None = None, raises: dict[Any, int] | None = None) -> None:
        self.lists: list[list[Any]] = []
        #: What is returned for some values, each time.
        self.returns = returns or {}
        #: How often it raises for a list with such a value.
        self.raises = raises or {}

    def __call__(self, values: list[Any]) -> list[Any]:
        self.lists.append(list(values))
        for value in values:
            if self.raises.get(value, 0) > 0:
                self.raises[value] -= 1
                raise ConnectionError(f"no answer for {value}")
        return [self.returns.get(value, -value) for value in values]


class NegateLater(Negate):
    async def __call__(self, values: list[Any]) -> list[Any]:  # type: ignore[override]  # the same, later
        await asyncio.sleep(0)
        return super().__call__(values)


KINDS = [Negate, NegateLater]
Kind = type[Negate]


async def turns(number: int = 20) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def columns(op: OperatorHarness) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for batch in op.emitted:
        if isinstance(batch, Batch):
            rows = [column or [None] * len(batch) for column in (batch.keys, batch.timestamps, batch.calls)]
            found += zip(batch.values, *rows, strict=True)
    return found


def trace(op: OperatorHarness) -> list[Any]:
    found: list[Any] = []
    for emission in op.emitted:
        found += emission.values if isinstance(emission, Batch) else [emission]
    return found


# ---- which lists


@pytest.mark.parametrize("kind", KINDS)
async def test_without_a_wait_a_batch_is_cut_into_lists(kind: Kind) -> None:
    function = kind()
    async with OperatorHarness(MapBatch(function, max_size=3, concurrency=1)) as op:
        op.process(range(8))
        op.process([8])
        await op.settle()
        assert function.lists == [[0, 1, 2], [3, 4, 5], [6, 7], [8]]
        assert op.values == [-number for number in range(9)]


@pytest.mark.parametrize("kind", KINDS)
async def test_lists_are_gathered_over_batches_until_full_or_due(kind: Kind) -> None:
    function = kind()
    async with OperatorHarness(MapBatch(function, max_size=3, max_wait=10, concurrency=1)) as op:
        op.process([0, 1])
        await op.settle()
        assert function.lists == []
        op.process([2, 3])
        await op.settle()
        assert function.lists == [[0, 1, 2]]
        op.advance(10)
        await op.settle()
        assert function.lists == [[0, 1, 2], [3]]
        op.process([4])
        await op.end()
        assert function.lists == [[0, 1, 2], [3], [4]]
        assert op.values == [0, -1, -2, -3, -4]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_holds_records_of_several_calls_and_results_go_back_to_each(kind: Kind) -> None:
    function = kind()
    async with OperatorHarness(MapBatch(function, max_size=4, max_wait=10)) as op:
        op.process(Batch([1, 2], ["k", "k"], [10, 20], ["x", "y"]))
        op.process(Batch([3, 4], ["k", "k"], [30, 40], ["y", "z"]))
        await op.settle()
        assert function.lists == [[1, 2, 3, 4]]
        assert columns(op) == [(-1, None, 10, "x"), (-2, None, 20, "y"), (-3, None, 30, "y"), (-4, None, 40, "z")]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_batch_is_longer_than_the_limit(kind: Kind) -> None:
    async with OperatorHarness(MapBatch(kind(), max_size=100), batch_size=8) as op:
        op.process(range(20))
        await op.settle()
    assert [len(batch) for batch in op.batches] == [8, 8, 4]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_function_may_change_its_list(kind: Kind) -> None:
    def pops(values: list[int]) -> list[int]:
        return [values.pop(0) for _ in range(len(values))]

    async def pops_later(values: list[int]) -> list[int]:
        return pops(values)

    shared = Batch([1, 2, 3])
    async with OperatorHarness(MapBatch(pops if kind is Negate else pops_later, max_size=3)) as op:
        op.process(shared)
        await op.settle()
    assert op.values == shared.values == [1, 2, 3]


async def test_any_iterable_of_results_will_do() -> None:
    async with OperatorHarness(MapBatch(lambda values: map(abs, values), max_size=2)) as op:
        op.process([-1, 2, -3])
    assert op.values == [1, 2, 3]


# ---- side by side


async def test_lists_run_side_by_side_and_results_keep_the_order() -> None:
    gates = {0: asyncio.Event(), 2: asyncio.Event(), 4: asyncio.Event()}
    started: list[list[int]] = []

    async def gated(values: list[int]) -> list[int]:
        started.append(values)
        await gates[values[0]].wait()
        return values

    async with OperatorHarness(MapBatch(gated, max_size=2, concurrency=2)) as op:
        op.process(range(6))
        await turns()
        assert started == [[0, 1], [2, 3]]
        gates[2].set()
        await turns()
        assert started == [[0, 1], [2, 3], [4, 5]]
        assert list(op.logic.collect()) == []
        gates[0].set()
        gates[4].set()
        await op.settle()
        assert op.values == list(range(6))


async def test_unordered_lists_go_out_as_they_come() -> None:
    first = asyncio.Event()

    async def gated(values: list[int]) -> list[int]:
        if values[0] == 0:
            await first.wait()
        return values

    async with OperatorHarness(MapBatch(gated, max_size=2, ordered=False)) as op:
        op.process(range(4))
        await turns()
        op.emitted.extend(op.logic.collect())  # type: ignore[arg-type]  # no logic here asks to wait
        assert op.values == [2, 3]
        first.set()
        await op.settle()
        assert op.values == [2, 3, 0, 1]


async def test_about_a_batch_of_results_waits_to_be_collected_not_a_batch_of_lists() -> None:
    function = NegateLater()
    async with OperatorHarness(MapBatch(function, max_size=4, concurrency=1), batch_size=16) as op:
        op.process(range(400))
        await turns(500)
        assert len(function.lists) == 4
        await op.settle()
        assert len(op.values) == 400


async def test_a_blocking_function_runs_in_a_thread() -> None:
    threads: set[threading.Thread] = set()

    def blocks(values: list[int]) -> list[int]:
        threads.add(threading.current_thread())
        return values

    async with OperatorHarness(MapBatch(blocks, max_size=2, blocking=True)) as op:
        op.process(range(5))
        await op.settle()
    assert op.values == list(range(5))
    assert threading.main_thread() not in threads


async def test_a_call_that_takes_too_long_fails_its_list() -> None:
    async def hangs(values: list[int]) -> list[int]:
        if 1 in values:
            await asyncio.Event().wait()
        return values

    async with OperatorHarness(MapBatch(hangs, max_size=2, timeout=0.001, on_error=DeadLetter())) as op:
        op.process(range(4))
        await op.settle()
    assert op.values == [2, 3]
    assert [(letter.value, type(letter.error)) for letter in op.side["dead_letters"]] == [
        (0, TimeoutError),
        (1, TimeoutError),
    ]


# ---- the number of results


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("change", "number"), [(lambda values: values[1:], 9), (lambda values: [*values, 0], 11)])
async def test_one_result_for_each_value_or_both_numbers_are_named(
    is_async: bool, change: Callable[[list[int]], list[int]], number: int
) -> None:
    async def change_later(values: list[int]) -> list[int]:
        return change(values)

    async with OperatorHarness(MapBatch(change_later if is_async else change, max_size=10)) as op:
        with pytest.raises(RecordFailed, match=f"returned {number} results for 10 values"):
            op.process(range(10))
            await op.settle()
    assert op.emitted == []


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("result", [None, 5, "ab", {1: 2, 3: 4}, {5, 6}], ids=repr)
async def test_what_is_no_list_is_a_mistake_under_any_policy(is_async: bool, result: Any) -> None:
    async def later(values: list[int]) -> Any:
        return result

    function = later if is_async else lambda values: result
    policy = Retry(attempts=2, delay=1, then=DeadLetter())
    async with OperatorHarness(MapBatch(function, max_size=2, on_error=policy)) as op:
        with pytest.raises(InvalidOperator, match="return a list with one result for each value"):
            op.process([1, 2])
            await op.settle()
    assert op.slept == []


# ---- failures


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_that_fails_names_its_values(kind: Kind) -> None:
    async with OperatorHarness(MapBatch(kind(raises={3: 1}), max_size=2)) as op:
        with pytest.raises(RecordFailed, match=r"ConnectionError: no answer for 3 \(record: \[2, 3\]\)") as caught:
            op.process(range(6))
            await op.settle()
    assert op.values == [0, -1]
    assert caught.value.value == [2, 3]
    assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_value_of_a_list_that_fails_has_its_own_letter(kind: Kind) -> None:
    function = kind(raises={3: 1})
    async with OperatorHarness(MapBatch(function, max_size=2, on_error=DeadLetter()), subtask_index=1) as op:
        op.process(Batch(list(range(6)), None, list(range(6)), list("abcdef")))
        await op.settle()
    assert op.values == [0, -1, -4, -5]
    letters = op.side["dead_letters"]
    assert [(letter.value, letter.attempts, letter.subtask) for letter in letters] == [(2, 1, 1), (3, 1, 1)]
    tagged = [emission.batch for emission in op.emitted if isinstance(emission, tuple)]
    assert [(batch.timestamps, batch.calls) for batch in tagged] == [([2], ["c"]), ([3], ["d"])]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_that_fails_is_tried_again(kind: Kind) -> None:
    function = kind(raises={3: 2})
    policy = Retry(attempts=3, delay=0)
    async with OperatorHarness(MapBatch(function, max_size=2, concurrency=1, on_error=policy)) as op:
        op.process(range(6))
        await op.settle()
    assert function.lists == [[0, 1], [2, 3], [2, 3], [2, 3], [4, 5]]
    assert op.values == [0, -1, -2, -3, -4, -5]


@pytest.mark.parametrize("failure", [ValueError("not this one"), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("kind", KINDS)
async def test_an_exception_among_the_results_fails_its_record_alone(kind: Kind, failure: BaseException) -> None:
    async with OperatorHarness(MapBatch(kind(returns={2: failure}), max_size=4)) as op:
        with pytest.raises(RecordFailed, match=r"record: 2") as caught:
            op.process(range(4))
            await op.settle()
    assert caught.value.__cause__ is failure
    assert op.values == [0, -1]


@pytest.mark.parametrize("kind", KINDS)
async def test_only_the_record_that_failed_is_set_aside(kind: Kind) -> None:
    failure = ValueError("not this one")
    async with OperatorHarness(MapBatch(kind(returns={2: failure}), max_size=4, on_error=DeadLetter())) as op:
        op.process(Batch(list(range(4)), None, [10, 11, 12, 13]))
        await op.settle()
    assert [row[:1] + row[2:3] for row in columns(op)] == [(0, 10), (-1, 11), (-3, 13)]
    (letter,) = op.side["dead_letters"]
    assert (letter.value, letter.error) == (2, failure)


class FailsInParts(Negate):
    """Fails for some values in the first call, raises in the second, and so on."""

    def __call__(self, values: list[Any]) -> list[Any]:
        self.lists.append(list(values))
        if len(self.lists) == 2:
            raise ConnectionError("second call")
        odd: list[Any] = [ValueError(value) if value % 2 and len(self.lists) < 4 else -value for value in values]
        return odd


class FailsInPartsLater(FailsInParts):
    async def __call__(self, values: list[Any]) -> list[Any]:  # type: ignore[override]  # the same, later
        return super().__call__(values)


@pytest.mark.parametrize("kind", [FailsInParts, FailsInPartsLater])
async def test_only_the_values_that_failed_are_tried_again(kind: Kind) -> None:
    function = kind()
    async with OperatorHarness(MapBatch(function, max_size=5, on_error=Retry(attempts=4, delay=0))) as op:
        op.process(range(5))
        await op.settle()
    assert function.lists == [[0, 1, 2, 3, 4], [1, 3], [1, 3], [1, 3]]
    assert op.values == [0, -1, -2, -3, -4]


@pytest.mark.parametrize("kind", [FailsInParts, FailsInPartsLater])
@pytest.mark.parametrize(("attempts", "error"), [(2, ConnectionError), (3, ValueError)])
async def test_what_fails_to_the_end_is_set_aside_and_the_rest_goes_on(
    kind: Kind, attempts: int, error: type[Exception]
) -> None:
    policy = Retry(attempts=attempts, delay=0, then=DeadLetter())
    async with OperatorHarness(MapBatch(kind(), max_size=5, on_error=policy)) as op:
        op.process(range(5))
        await op.settle()
    assert op.values == [0, -2, -4]
    letters = [(letter.value, letter.attempts, type(letter.error)) for letter in op.side["dead_letters"]]
    assert letters == [(1, attempts, error), (3, attempts, error)]


@pytest.mark.parametrize("kind", [FailsInParts, FailsInPartsLater])
async def test_a_second_call_that_raises_names_the_values_it_had(kind: Kind) -> None:
    async with OperatorHarness(MapBatch(kind(), max_size=5, on_error=Retry(attempts=2, delay=0))) as op:
        with pytest.raises(RecordFailed, match=r"second call \(record: \[1, 3\]\)"):
            op.process(range(5))
            await op.settle()
    assert op.values == [0]


async def test_pauses_between_attempts_are_asked_of_the_runner() -> None:
    async with OperatorHarness(MapBatch(Negate(raises={1: 2}), max_size=5, on_error=Retry(attempts=3, delay=1))) as op:
        op.process([1])
    assert op.slept == [1, 2]


async def test_stop_iteration_is_a_failure_like_others() -> None:
    def stops(values: list[int]) -> list[int]:
        raise StopIteration

    async with OperatorHarness(MapBatch(stops, max_size=2)) as op:
        with pytest.raises(RecordFailed, match="raised StopIteration"):
            op.process([1])


async def test_an_async_function_cancelled_from_within_fails_its_list() -> None:
    async def cancelled(values: list[int]) -> list[int]:
        raise asyncio.CancelledError

    async with OperatorHarness(MapBatch(cancelled, max_size=2, on_error=DeadLetter())) as op:
        op.process([1])
        with pytest.raises(RecordFailed, match="CancelledError"):
            await op.settle()


# ---- watermarks


@pytest.mark.parametrize("kind", KINDS)
async def test_watermarks_stay_behind_the_records_before_them(kind: Kind) -> None:
    async with OperatorHarness(MapBatch(kind(), max_size=2, max_wait=10)) as op:
        op.process([1])
        op.watermark(1)
        await op.settle()
        assert trace(op) == []
        op.process([2, 3])
        op.watermark(2)
        await op.settle()
        assert trace(op) == [-1, -2, Watermark(1)]
        op.advance(10)
        await op.settle()
        assert trace(op) == [-1, -2, Watermark(1), -3, Watermark(2)]
        op.watermark(3)
        assert trace(op)[-1] == Watermark(3)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_end_gives_out_what_is_held_then_its_watermark(kind: Kind) -> None:
    async with OperatorHarness(MapBatch(kind(), max_size=2, max_wait=10)) as op:
        op.process([1])
        op.watermark(1)
        await op.end()
        assert trace(op) == [-1, Watermark(1)]
        assert not op.logic.pending


# ---- life cycle and mistakes


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_function_class_gets_lists(is_async: bool) -> None:
    events: list[str] = []

    class Plain(MapFunction[list[int], list[int]]):
        def open(self, context: Any) -> None:
            events.append("open")

        def map(self, value: list[int]) -> Any:
            return [-number for number in value]

        def close(self) -> None:
            events.append("close")

    class Async(Plain):
        async def map(self, value: list[int]) -> Any:
            return super().map(value)

    async with OperatorHarness(MapBatch(Async if is_async else Plain, 2)) as op:
        op.process([1, 2, 3])
        await op.end()
    assert op.values == [-1, -2, -3]
    assert events == ["open", "close"]


wrong: Any = "fail"


async def yields(values: list[int]) -> Any:
    for value in values:
        yield value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MapBatch(Negate(), 0), "max_size=0"),
        (lambda: MapBatch(Negate(), 1, -1), "max_wait=-1"),
        (lambda: MapBatch(yields, 1), "yields; return a list"),
        (lambda: MapBatch(Negate(), 1, on_error=wrong), "not a policy"),
    ],
)
def test_mistakes_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidOperator, match=message):
        make()


async def test_a_lambda_that_calls_an_async_function_is_told_to_await() -> None:
    later = NegateLater()
    async with OperatorHarness(MapBatch(lambda values: later(values), 2, on_error=Fail())) as op:
        with pytest.raises(InvalidOperator, match="async def"):
            op.process([1])
