"""Parting a stream by name."""

from typing import Any

import pytest

from sage.operators.contract import Tagged
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.functions import MapFunction
from sage.operators.policies import DeadLetter, Retry
from sage.operators.route import Route
from sage.testing import OperatorHarness


def parity(number: int) -> str:
    return "even" if number % 2 == 0 else "odd"


async def test_each_name_has_one_batch_in_order() -> None:
    async with OperatorHarness(Route(parity)) as op:
        op.process([1, 2, 3, 4])
        op.process([6])
    outputs = [(emission.output, emission.batch.values) for emission in op.emitted if isinstance(emission, Tagged)]
    assert outputs == [("odd", [1, 3]), ("even", [2, 4]), ("even", [6])]
    assert op.values == []


async def test_columns_stay_in_step() -> None:
    async with OperatorHarness(Route(parity)) as op:
        op.process(Batch([1, 2, 3], ["a", "b", "c"], [10, 20, 30], ["x", "y", "z"]))
    parts = {emission.output: emission.batch for emission in op.emitted if isinstance(emission, Tagged)}
    odd = parts["odd"]
    assert (odd.values, odd.keys, odd.timestamps, odd.calls) == ([1, 3], ["a", "c"], [10, 30], ["x", "z"])


async def test_a_batch_with_one_name_goes_on_whole() -> None:
    batch = Batch([1, 3, 5])
    async with OperatorHarness(Route(parity)) as op:
        op.process(batch)
    assert op.emitted == [Tagged("odd", batch)]


async def test_a_function_class_may_name_the_output() -> None:
    class ByLength(MapFunction[str, str]):
        def map(self, value: str) -> str:
            return f"{len(value)} letters"

    async with OperatorHarness(Route(ByLength)) as op:
        op.process(["a", "bb", "c"])
    assert op.side == {"1 letters": ["a", "c"], "2 letters": ["bb"]}


async def test_what_is_no_name_fails_the_record() -> None:
    async with OperatorHarness(Route(lambda number: number % 2 or "even")) as op:
        with pytest.raises(RecordFailed, match=r"returned 1, a int; return the name of an output.*record: 3"):
            op.process([2, 4, 3, 6])
    assert op.side == {"even": [2, 4]}


async def test_errors_follow_the_policy() -> None:
    def name(number: int) -> Any:
        return parity(number) if number else None

    async with OperatorHarness(Route(name, on_error=Retry(attempts=2, delay=1, then=DeadLetter()))) as op:
        op.process([1, 0, 3])
    assert op.slept == [1]
    assert op.side["odd"] == [1, 3]
    assert [letter.value for letter in op.side["dead_letters"]] == [0]


async def test_a_record_that_is_retried_is_parted_like_the_others() -> None:
    tries: list[int] = []

    def name(number: int) -> str:
        tries.append(number)
        if number == 2 and tries.count(2) == 1:
            raise ConnectionError
        return parity(number)

    async with OperatorHarness(Route(name, on_error=Retry(attempts=2, delay=0))) as op:
        op.process([1, 2, 3, 4])
    assert op.side == {"odd": [1, 3], "even": [2, 4]}


async def test_stop_iteration_is_an_error_and_no_loss() -> None:
    async with OperatorHarness(Route(next)) as op:
        with pytest.raises(RecordFailed, match="StopIteration"):
            op.process([iter(["a"]), iter([])])


async def test_a_lambda_that_forgets_to_await_is_told_so() -> None:
    async def later(number: int) -> str:
        return str(number)

    async with OperatorHarness(Route(lambda number: later(number))) as op:
        with pytest.raises(InvalidOperator, match="write `async def`"):
            op.process([1])


def test_an_async_function_is_refused() -> None:
    async def later(number: int) -> str:
        return str(number)

    with pytest.raises(InvalidOperator, match=r"route: later must be a plain function; .* in a map\(...\) before it"):
        Route(later)


def test_any_name_is_a_side_output() -> None:
    assert Route(parity).side_outputs is None
