"""What operators with a function of the user's have in common: what they refuse, and how they are run."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from sage.operators import (
    Batch,
    Collect,
    CoMap,
    DeadLetter,
    Filter,
    FlatMap,
    Gather,
    Inspect,
    InvalidOperator,
    KeyBy,
    Map,
    MapBatch,
    MapFunction,
    Operator,
    Process,
    Route,
    Sink,
    Take,
)
from sage.operators.callables import Shape
from sage.operators.contract import Logic
from sage.testing import OperatorHarness

Make = Callable[..., Operator[Any, Any]]


def pair(value: int) -> Iterator[int]:
    yield value
    yield value


async def pair_later(value: int) -> AsyncIterator[int]:
    yield value
    yield value


async def later(value: int) -> int:
    return value


class Pairs(MapFunction[int, int]):
    def map(self, value: int) -> Iterator[int]:
        yield value


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (Map, r"map: {} yields its results; write flat_map\({}\)$"),
        (Filter, "filter: {} yields its results; write a function that returns whether to keep the record$"),
        (Inspect, "inspect: {} yields its results; nobody would run it; write a function that looks at the record"),
        (Sink, "sink: {} yields its results; nobody would run it; write a function that delivers the record"),
        (KeyBy, "key_by: {} yields its results; write a plain function that returns the key$"),
        (Route, "route: {} yields its results; write a plain function that returns the name of one output$"),
        (
            lambda function: CoMap(function, str),
            r"co_map: {} yields its results; write flat_map\({}\) on its stream before",
        ),
        (
            lambda function: CoMap(str, function),
            r"co_map: {} yields its results; write flat_map\({}\) on its stream before",
        ),
    ],
)
@pytest.mark.parametrize("function", [pair, pair_later, functools.partial(pair)])
def test_where_a_function_returns_one_result_it_may_not_yield(make: Make, text: str, function: Any) -> None:
    label = "pair_later" if function is pair_later else "pair"
    with pytest.raises(InvalidOperator, match=f"^{text.format(label, label)}"):
        make(function)


def test_a_method_may_not_yield_either() -> None:
    for given in (Pairs, Pairs()):
        with pytest.raises(InvalidOperator, match=r"^map: Pairs yields its results; write flat_map\(Pairs\)$"):
            Map(given)


def test_a_lambda_that_yields_is_told_without_a_name() -> None:
    yields: Any = eval("lambda value: (yield value)")  # written out, checkers refuse it
    with pytest.raises(InvalidOperator, match=r"^map: the lambda yields its results; write flat_map\(\.\.\.\)$"):
        Map(yields)


def test_flat_map_takes_every_shape() -> None:
    assert {FlatMap(function).target.shape for function in (pair, pair_later, later, list)} == set(Shape)


def test_shapes_that_yield() -> None:
    assert [shape for shape in Shape if shape.yields] == [Shape.GENERATOR, Shape.ASYNC_GENERATOR]


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("concurrency", True, "map: concurrency=True: write how many calls may run at a time, 1 or more"),
        ("concurrency", "8", "map: concurrency='8'"),
        ("timeout", True, "map: timeout=True: write seconds above 0"),
        ("timeout", "1", "map: timeout='1'"),
        ("timeout", float("nan"), "map: timeout=nan"),
        ("timeout", float("inf"), "map: timeout=inf"),
        ("ordered", "no", "map: ordered='no': write True or False"),
        ("blocking", 1, "map: blocking=1: write True or False"),
    ],
)
def test_options_have_the_right_types(option: str, value: Any, text: str) -> None:
    with pytest.raises(InvalidOperator, match=f"^{text}"):
        Map(later, **{option: value})


async def test_a_condition_that_cannot_be_told_is_the_failure_of_its_record() -> None:

    class Doubtful:
        def __bool__(self) -> bool:
            raise ValueError("neither")

    def judge(value: int) -> Any:
        return Doubtful() if value == 2 else value % 2

    for batch in (Batch([1, 2, 3]), Batch([1, 2, 3], ["a", "b", "c"])):
        async with OperatorHarness(Filter(judge, on_error=DeadLetter())) as op:
            op.process(batch)
        assert op.values == [1, 3]
        assert [(letter.value, str(letter.error)) for letter in op.side["dead_letters"]] == [(2, "neither")]


def logic(operator: Operator[Any, Any]) -> Logic:
    return operator.build(0, 1)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Map(later), True),
        (Map(str, blocking=True), True),
        (FlatMap(pair_later), True),
        (Gather(2), True),
        (MapBatch(list, max_size=2), True),
        (MapBatch(later, max_size=2), True),
        (Collect([]), True),
        (CoMap(later, later), True),
        (Map(str), False),
        (FlatMap(pair), False),
        (Sink(print), False),
        (Take(1), False),
        (CoMap(later, str), False),
    ],
)
def test_whole_batches_go_to_those_that_only_file_them_away(operator: Operator[Any, Any], expected: bool) -> None:
    assert logic(operator).takes_whole_batches is expected


async def test_a_process_function_that_is_async_takes_whole_batches() -> None:
    async def function(value: int, ctx: Any) -> None:
        ctx.emit(value)

    assert logic(Process(function)).takes_whole_batches
