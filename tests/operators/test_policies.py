"""Error policies: their values, and what inline operators do with them."""

import functools
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sage.operators.each import EachRecord
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.key_by import KeyBy
from sage.operators.map import Filter, Inspect, Map
from sage.operators.policies import DeadLetter, ErrorPolicy, Fail, Letter, Retry, check_policy, dead_letters
from sage.operators.sink import Sink
from sage.testing import OperatorHarness


def test_pauses_grow_up_to_the_longest() -> None:
    retry = Retry(attempts=9, delay=0.5, backoff=3, max_delay=10)
    assert [retry.pause(attempt) for attempt in range(1, 6)] == [0.5, 1.5, 4.5, 10, 10]
    assert retry.pause(10_000) == 10
    assert Retry(delay=0).pause(10_000) == 0


@pytest.mark.parametrize(
    ("policy", "outputs"),
    [
        (Fail(), ()),
        (DeadLetter(), ("dead_letters",)),
        (Retry(), ()),
        (Retry(then=DeadLetter()), ("dead_letters",)),
    ],
)
def test_only_a_policy_that_sets_aside_has_an_output_for_it(policy: ErrorPolicy, outputs: tuple[str, ...]) -> None:
    assert dead_letters(policy) == outputs
    assert Map(str, on_error=policy).side_outputs == outputs


def described(kind: Any, *args: Any, **options: Any) -> Callable[[], Any]:
    """Makes what the types alone would refuse."""
    return functools.partial(kind, *args, **options)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (described(Retry, attempts=1), r"Retry\(attempts=1\): .*at least 2"),
        (described(Retry, attempts=2.5), r"Retry\(attempts=2.5\)"),
        (described(Retry, delay=-1), "write seconds, 0 or more"),
        (described(Retry, max_delay=-1), "write seconds, 0 or more"),
        (described(Retry, backoff=0.5), r"Retry\(backoff=0.5\): write 1"),
        (described(Retry, then=Retry()), r"write sage.Fail\(\) or sage.DeadLetter\(\)"),
        (described(check_policy, Retry, "map"), "map: on_error=.*is not a policy; write sage.Fail"),
        (described(Map, str, on_error=None), "map: on_error=None is not a policy"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        make()


def test_policies_are_values() -> None:
    for policy in (Fail(), DeadLetter(), Retry(then=DeadLetter())):
        assert pickle.loads(pickle.dumps(policy)) == policy
    assert hash(Retry()) == hash(Retry())


# ---- in inline operators


class Flaky:
    """Fails for 2 the first so many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.calls: list[int] = []

    def __call__(self, value: int) -> int:
        self.calls.append(value)
        if value == 2 and self.calls.count(2) <= self.times:
            raise ConnectionError("again")
        return value


OPERATORS: list[type[EachRecord[Any, Any]]] = [Map, Filter, Inspect, KeyBy]


@pytest.mark.parametrize("kind", OPERATORS)
async def test_a_failure_names_the_record_behind_those_before_it(kind: Any) -> None:
    async with OperatorHarness(kind(Flaky(1))) as op:
        with pytest.raises(RecordFailed, match=r"ConnectionError: again .record: 2") as failed:
            op.process([1, 2, 3])
    assert op.values == [1]
    assert isinstance(failed.value.__cause__, ConnectionError)


@pytest.mark.parametrize("kind", OPERATORS)
async def test_a_retried_record_keeps_its_place(kind: Any) -> None:
    flaky = Flaky(2)
    async with OperatorHarness(kind(flaky, on_error=Retry(attempts=3, delay=1))) as op:
        op.process([1, 2, 3])
    assert op.values == [1, 2, 3]
    assert op.slept == [1, 2]
    assert flaky.calls == [1, 2, 2, 2, 3]


@pytest.mark.parametrize("kind", [*OPERATORS, Sink])
async def test_a_record_set_aside_tells_its_story(kind: Any) -> None:
    operator = kind(Flaky(9), on_error=Retry(attempts=3, delay=0, then=DeadLetter()))
    async with OperatorHarness(operator, subtask_index=1, parallelism=2) as op:
        op.process([2, 1, 2])
    letters: list[Letter] = op.side["dead_letters"]
    assert [(letter.value, letter.attempts, letter.subtask, letter.operator) for letter in letters] == [
        (2, 3, 1, operator.kind),
        (2, 3, 1, operator.kind),
    ]
    assert all(isinstance(letter.error, ConnectionError) for letter in letters)
    assert op.values == ([] if kind is Sink else [1])


@pytest.mark.parametrize("kind", [Map, Inspect, KeyBy, Sink])
@pytest.mark.parametrize("behind", [0, 1])
async def test_stop_iteration_is_an_error_and_no_loss(kind: Any, behind: int) -> None:
    stopping: Iterator[int] = iter([])
    async with OperatorHarness(kind(next)) as op:
        with pytest.raises(RecordFailed, match="StopIteration") as failed:
            op.process([iter([1]), stopping, *[iter([1])] * behind])
    assert failed.value.value is stopping


@pytest.mark.parametrize("with_columns", [True, False])
@pytest.mark.parametrize("behind", [0, 1])
async def test_stop_iteration_in_a_filter_is_an_error_and_no_loss(with_columns: bool, behind: int) -> None:
    stopping: Iterator[int] = iter([])
    values = [iter([1]), stopping, *[iter([1])] * behind]
    async with OperatorHarness(Filter(next)) as op:
        with pytest.raises(RecordFailed, match="StopIteration") as failed:
            op.process(Batch(values, None, [0] * len(values) if with_columns else None))
    assert failed.value.value is stopping


@pytest.mark.parametrize("kind", [Map, KeyBy])
async def test_a_plain_function_that_returns_something_to_await_is_told_so(kind: Any) -> None:
    async def later(value: int) -> int:
        return value

    async with OperatorHarness(kind(lambda value: later(value))) as op:
        with pytest.raises(InvalidOperator, match="is not async itself; write `async def`"):
            op.process([1])
