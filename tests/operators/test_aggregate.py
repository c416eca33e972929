"""Counts, sums, extremes, folds: running and final, keyed and not."""

import datetime
import functools
import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from operator import add
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.operators.aggregate import Count, Fold, Max, Min, Reduce, Sum
from sage.operators.aggregating import Aggregate
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.functions import MapFunction
from sage.operators.policies import DeadLetter, Letter, Retry
from sage.testing import OperatorHarness

WORDS = ["the", "cat", "and", "the", "dog", "and", "the", "bird"]


def keyed(values: list[Any], key: Callable[[Any], Any] = lambda value: value) -> Batch[Any]:
    return Batch(values, [key(value) for value in values])


async def results(operator: Aggregate[Any, Any], *batches: Batch[Any], batch_size: int = 1024) -> list[Any]:
    """All that comes out, the end included."""
    async with OperatorHarness(operator, batch_size=batch_size) as op:
        for batch in batches:
            op.process(batch)
        await op.end()
    return op.values


# ---- by key


async def test_a_running_count_tells_each_record_its_number() -> None:
    counts = await results(Count(keyed=True), keyed(WORDS[:4]), keyed(WORDS[4:]))
    assert counts[0] == ("the", 1)
    assert counts[3] == ("the", 2)
    assert counts[6] == ("the", 3)
    assert [word for word, _ in counts] == WORDS


async def test_a_final_count_comes_once_a_key_in_order_of_first_appearance() -> None:
    counts = await results(Count(keyed=True, emit="end"), keyed(WORDS[:4]), keyed(WORDS[4:]))
    assert counts == [("the", 3), ("cat", 1), ("and", 2), ("dog", 1), ("bird", 1)]


@pytest.mark.parametrize("emit", ["each", "end"])
async def test_equal_keys_are_one_key(emit: Any) -> None:
    counts = await results(Count(keyed=True, emit=emit), keyed([1, 1.0, True, 2, 2.0, "1"]))
    assert dict(counts) == {1: 3, 2: 2, "1": 1}


async def test_falsy_keys_are_keys() -> None:
    keys = [None, 0, "", (), None, 0, "", ()]
    assert await results(Sum(keyed=True, emit="end"), Batch([1] * 8, keys)) == [(None, 2), (0, 2), ("", 2), ((), 2)]


async def test_nothing_is_emitted_before_the_end_if_asked_so() -> None:
    async with OperatorHarness(Sum(keyed=True, emit="end")) as op:
        op.process(keyed([1, 2]))
        op.flush()
        assert op.emitted == []


async def test_nothing_is_emitted_at_the_end_of_a_running_aggregate() -> None:
    async with OperatorHarness(Sum()) as op:
        op.process([1, 2])
        before = list(op.emitted)
        await op.end()
        assert op.emitted == before


async def test_final_results_are_cut_into_batches() -> None:
    async with OperatorHarness(Count(keyed=True, emit="end"), batch_size=3) as op:
        op.process(keyed(list(range(8))))
        await op.end()
    assert [len(batch) for batch in op.batches] == [3, 3, 2]
    assert op.values == [(number, 1) for number in range(8)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=30), st.integers(0, 30))
async def test_sums_equal_the_plain_loop(records: list[tuple[str, int]], cut: int) -> None:
    expected, totals = [], dict[str, int]()
    for key, number in records:
        totals[key] = totals.get(key, 0) + number
        expected.append((key, totals[key]))
    batches = [keyed(part, lambda record: record[0]) for part in (records[:cut], records[cut:])]
    of: Callable[[Any], Any] = lambda record: record[1]  # noqa: E731
    assert await results(Sum(of, keyed=True), *batches) == expected
    assert await results(Sum(of, keyed=True, emit="end"), *batches) == list(totals.items())
    numbers = [Batch([number for _, number in part]) for part in (records[:cut], records[cut:])]
    assert await results(Sum(), *numbers) == list(accumulate(number for _, number in records))
    assert await results(Sum(emit="end"), *numbers) == [sum(number for _, number in records)]


async def test_keys_are_asked_for() -> None:
    async with OperatorHarness(Sum(keyed=True)) as op:
        with pytest.raises(InvalidOperator, match=r"put a key_by"):
            op.process([1])


# ---- without keys


async def test_without_keys_there_is_one_result() -> None:
    first, second = Batch(WORDS[:3]), Batch(WORDS[3:])
    assert await results(Count(), first, second) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert await results(Count(emit="end"), first, second) == [8]
    assert await results(Sum(len), first, second) == [3, 6, 9, 12, 15, 18, 21, 25]
    assert await results(Min(), first, second) == ["the", "cat", "and", "and", "and", "and", "and", "and"]
    assert await results(Max(emit="end"), first, second) == ["the"]


async def test_what_nothing_comes_to() -> None:
    assert await results(Count(emit="end")) == [0]
    assert await results(Sum(emit="end")) == [0]
    assert await results(Fold(7, add, emit="end")) == [7]
    assert await results(Reduce(add, emit="end")) == []
    assert await results(Min(emit="end")) == []
    assert await results(Count(keyed=True, emit="end")) == []


async def test_anything_with_a_plus_can_be_summed() -> None:
    second = datetime.timedelta(seconds=1)
    assert await results(Sum(), Batch([second, second])) == [second, 2 * second]
    assert await results(Sum(emit="end"), Batch(["a", "b"])) == ["ab"]
    assert await results(Sum(emit="end"), Batch([Fraction(1, 3)] * 3)) == [Fraction(1)]


@pytest.mark.parametrize("is_keyed", [True, False])
async def test_a_sum_never_changes_what_it_gave_out(is_keyed: bool) -> None:
    out = await results(Sum(keyed=is_keyed), Batch([[1], [2], [3]], ["a"] * 3))
    lists = [value for _, value in out] if is_keyed else out
    assert lists == [[1], [1, 2], [1, 2, 3]]


# ---- smallest and largest


async def test_extremes_by_a_function_are_records_and_the_first_of_equals() -> None:
    batch = Batch([("b", 2), ("a", 1), ("c", 1), ("d", 2)])
    second: Callable[[Any], Any] = lambda record: record[1]  # noqa: E731
    assert await results(Min(second), batch) == [("b", 2), ("a", 1), ("a", 1), ("a", 1)]
    assert await results(Max(second, emit="end"), batch) == [("b", 2)]
    by_parity = Batch([3, -5, 4, -2], ["odd", "odd", "even", "even"])
    assert await results(Min(abs, keyed=True), by_parity) == [("odd", 3), ("odd", 3), ("even", 4), ("even", -2)]
    assert await results(Max(keyed=True, emit="end"), by_parity) == [("odd", 3), ("even", 4)]


async def test_records_are_not_compared_when_a_function_says_by_what() -> None:
    records = [{"at": 2}, {"at": 2}, {"at": 1}]
    assert await results(Min(lambda record: record["at"], emit="end"), Batch(records)) == [{"at": 1}]


# ---- fold and reduce


async def test_fold_and_reduce() -> None:
    batch = Batch([("a", 1), ("b", 2), ("a", 3)], ["a", "b", "a"])
    together: Callable[[Any, Any], Any] = lambda left, right: (left[0], left[1] + right[1])  # noqa: E731
    assert await results(Reduce(together, keyed=True, emit="end"), batch) == [("a", ("a", 4)), ("b", ("b", 2))]
    assert await results(Reduce(together), batch) == [("a", 1), ("a", 3), ("a", 6)]
    longest: Callable[[Any, Any], Any] = lambda length, record: max(length, record[1])  # noqa: E731
    assert await results(Fold(2, longest, keyed=True), batch) == [("a", 2), ("b", 2), ("a", 3)]


async def test_none_is_an_accumulator_like_any_other() -> None:
    seen: list[Any] = []

    def step(last: Any, value: Any) -> Any:
        seen.append(last)
        return None if value == 2 else value

    assert await results(Fold(None, step), Batch([1, 2]), Batch([3])) == [1, None, 3]
    assert seen == [None, 1, None]


@pytest.mark.parametrize("is_keyed", [True, False])
async def test_each_key_has_an_accumulator_of_its_own(is_keyed: bool) -> None:
    def append(values: list[int], value: int) -> list[int]:
        values.append(value)
        return values

    batch = Batch([1, 2, 3], ["a", "b", "a"])
    running = await results(Fold(list, append, keyed=is_keyed), batch)
    final = await results(Fold(list, append, keyed=is_keyed, emit="end"), batch)
    if is_keyed:
        assert running == [("a", [1]), ("b", [2]), ("a", [1, 3])]
        assert final == [("a", [1, 3]), ("b", [2])]
    else:
        assert running == [[1], [1, 2], [1, 2, 3]]
        assert final == [[1, 2, 3]]


async def test_two_subtasks_share_nothing() -> None:
    fold: Fold[int, list[int]] = Fold(list, lambda values, value: [*values, value], emit="end")
    for subtask in range(2):
        async with OperatorHarness(fold, subtask_index=subtask, parallelism=2) as op:
            op.process([subtask])
            await op.end()
        assert op.values == [[subtask]]


# ---- the other columns


async def test_running_results_keep_the_columns_of_their_records() -> None:
    async with OperatorHarness(Count(keyed=True)) as op:
        op.process(Batch(["x", "y"], ["a", "a"], [10, 20], ["call 1", "call 2"]))
    (batch,) = op.emitted
    assert isinstance(batch, Batch)
    assert (batch.timestamps, batch.calls, batch.keys) == ([10, 20], ["call 1", "call 2"], None)


@pytest.mark.parametrize(("is_keyed", "timestamps"), [(True, [30, 20]), (False, [30])])
async def test_final_results_have_the_last_time_and_no_call(is_keyed: bool, timestamps: list[int]) -> None:
    async with OperatorHarness(Sum(keyed=is_keyed, emit="end")) as op:
        op.process(Batch([1, 2, 3], ["a", "b", "a"], [10, 20, 30], ["call"] * 3))
        await op.end()
    (batch,) = op.emitted
    assert isinstance(batch, Batch)
    assert (batch.timestamps, batch.calls) == (timestamps, None)


# ---- failures


@pytest.mark.parametrize(
    "operator", [Sum(keyed=True), Sum(keyed=True, emit="end"), Sum(), Min(), Max(keyed=True), Min(emit="end")]
)
async def test_a_record_that_does_not_fit_is_named(operator: Aggregate[Any, Any]) -> None:
    async with OperatorHarness(operator) as op:
        with pytest.raises(RecordFailed, match=r"TypeError.*record: 'four'") as failed:
            op.process(Batch([1, 2, "four", 3], ["a"] * 4))
    assert failed.value.value == "four"


@pytest.mark.parametrize("emit", ["each", "end"])
async def test_an_unhashable_key_names_its_record(emit: Any) -> None:
    operators: list[Aggregate[Any, Any]] = [
        Count(keyed=True, emit=emit),
        Sum(keyed=True, emit=emit),
        Min(keyed=True, emit=emit),
    ]
    for operator in operators:
        async with OperatorHarness(operator) as op:
            told = r"\[\], a list, cannot be a key, .*unhashable.*; have key_by\(...\) return text"
            with pytest.raises(RecordFailed, match=told) as failed:
                op.process(Batch([1, 2, 3], ["a", [], "c"]))
        assert failed.value.value == 2


async def test_what_came_before_a_failure_goes_out_first() -> None:
    async with OperatorHarness(Sum(lambda record: record["n"])) as op:
        with pytest.raises(RecordFailed, match="KeyError"):
            op.process([{"n": 1}, {"n": 2}, {}])
    assert op.values == [1, 3]


@pytest.mark.parametrize("is_keyed", [True, False])
@pytest.mark.parametrize("emit", ["each", "end"])
@pytest.mark.parametrize("wrong", [ValueError("no"), StopIteration("no")])
async def test_a_record_set_aside_leaves_the_accumulator_as_it_was(is_keyed: bool, emit: Any, wrong: Exception) -> None:
    def step(total: int, value: int) -> int:
        if value < 0:
            raise wrong
        return total + value

    operator: Fold[int, int] = Fold(0, step, keyed=is_keyed, emit=emit, on_error=DeadLetter())
    assert operator.side_outputs == ("dead_letters",)
    async with OperatorHarness(operator) as op:
        op.process(Batch([-9, 1, -8, 2, -7], ["a"] * 5, [1, 2, 3, 4, 5]))
        await op.end()
    totals = [1, 3] if emit == "each" else [3]
    assert op.values == ([("a", total) for total in totals] if is_keyed else totals)
    letters: list[Letter] = op.side["dead_letters"]
    assert [letter.value for letter in letters] == [-9, -8, -7]
    assert all(type(wrong).__name__ in repr(letter.error) for letter in letters)
    stamps = [batch.timestamps for batch in op.emitted if isinstance(batch, Batch)]
    assert stamps == ([[2], [4]] if emit == "each" else [[4]])


async def test_a_step_that_fails_after_changing_its_accumulator_is_undone_in_a_running_fold() -> None:
    def step(values: list[int], value: int) -> list[int]:
        values.append(value)
        if value == 2:
            raise ValueError(value)
        return values

    assert await results(Fold(list, step, on_error=DeadLetter()), Batch([1, 2, 3])) == [[1], [1, 3]]


async def test_a_step_is_tried_again_in_its_place() -> None:
    tries: list[int] = []

    def step(total: int, value: int) -> int:
        tries.append(value)
        if value == 2 and tries.count(2) < 3:
            raise ConnectionError
        return total + value

    async with OperatorHarness(Reduce(step, on_error=Retry(attempts=3, delay=1))) as op:
        op.process([1, 2, 4])
    assert op.values == [1, 3, 7]
    assert op.slept == [1, 2]


@pytest.mark.parametrize("operator", [Sum(next), Min(next, emit="end"), Reduce(lambda left, right: next(iter(())))])
@pytest.mark.parametrize("behind", [0, 1])
async def test_stop_iteration_is_an_error_and_no_loss(operator: Aggregate[Any, Any], behind: int) -> None:
    values: list[Any] = [iter([1]), iter([]), *[iter([1])] * behind]
    async with OperatorHarness(operator) as op:
        with pytest.raises(RecordFailed, match="StopIteration") as failed:
            op.process(values)
    assert failed.value.value is values[1]


async def test_a_lambda_that_forgets_to_await_is_told_so() -> None:
    async def later(value: int) -> int:
        return value

    operators: list[Aggregate[int, Any]] = [Sum(lambda value: later(value)), Min(lambda value: later(value))]
    for operator in operators:
        async with OperatorHarness(operator) as op:
            with pytest.raises(InvalidOperator, match=r"write `async def`"):
                op.process([1])
    fold: Fold[int, Any] = Fold(0, lambda total, value: later(value))
    async with OperatorHarness(fold) as op:
        with pytest.raises(InvalidOperator, match=r"write `async def`"):
            op.process([1])


# ---- what is refused


async def later(*values: Any) -> Any:
    return values


def concatenated(left: str, right: str) -> str:
    return left + right


class Doubled(MapFunction[int, int]):
    def map(self, value: int) -> int:
        return 2 * value


class Array:
    """As those of NumPy: it can be changed, and has no truth."""

    __hash__ = None  # type: ignore[assignment]  # that is how Python says it

    def __len__(self) -> int:
        return 2

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")

    def __repr__(self) -> str:
        return "array()"


def described(kind: Any, *args: Any, **options: Any) -> Callable[[], Any]:
    """Makes what the types alone would refuse."""
    return functools.partial(kind, *args, **options)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (described(Count, emit="last"), "count: emit='last': write \"each\""),
        (described(Sum, 5), "sum: of: 5 is a int; write a plain function of one argument"),
        (described(Min, later), r"min: by: later is async .* map\(...\) before it"),
        (described(Reduce, later), r"reduce: later is async .* map\(...\) before it"),
        (described(Fold, 0, later), r"fold: later is async .* map\(...\) before it"),
        (described(Reduce, lambda value: value), "reduce: the lambda.* cannot be called with 2 arguments"),
        (described(Fold, 0, None), "fold: None is a NoneType; write a plain function of 2 arguments"),
        (described(Fold, lambda key: 0, add), "fold: initial: the lambda.* cannot be called with 0 arguments"),
        (described(Fold, [], add), r"fold: all keys would share initial=\[\]; write initial=list"),
        (
            described(Fold, Array(), add),
            r"fold: all keys would share initial=array\(\); write initial=lambda: array\(\)",
        ),
        (described(Fold, {}, add), "write initial=dict"),
        (described(Fold, set(), add), "write initial=set"),
        (described(Fold, [1], add), r"write initial=lambda: \[1\]"),
        (described(Sum, Doubled()), "sum: of: .*Doubled.*; write a plain function"),
        (described(Max, Doubled), "max: by: .*Doubled.*; write a plain function"),
        (described(Fold, 0, add, on_error="retry"), "on_error='retry' is not a policy"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        make()


def test_descriptions_say_what_they_do_and_can_be_pickled() -> None:
    assert not Count().emits_at_end
    assert Count(emit="end").emits_at_end
    assert Count().side_outputs == ()
    assert (Sum(len).label, Sum().label) == ("len", "")
    assert (Reduce(concatenated).label, Fold(0, lambda a, b: a).label) == ("concatenated", "")
    operators: list[Aggregate[Any, Any]] = [
        Count(keyed=True),
        Sum(len),
        Max(abs),
        Fold(0, add),
        Reduce(concatenated, emit="end"),
    ]
    for operator in operators:
        assert pickle.loads(pickle.dumps(operator)) == operator
