"""Streams by key: aggregates give the key and its result."""

from typing import Any

import pytest

import sage
from sage import operators
from sage.graph import Hash


def is_odd(value: int) -> bool:
    return value % 2 == 1


def add(left: int, right: int) -> int:
    return left + right


def negative(value: int) -> int:
    return -value


@pytest.mark.parametrize(
    ("build", "operator", "running", "final"),
    [
        (
            lambda s, **o: s.count(**o),
            operators.Count(keyed=True),
            [(True, 1), (False, 1), (True, 2)],
            [(True, 2), (False, 1)],
        ),
        (
            lambda s, **o: s.sum(**o),
            operators.Sum(keyed=True),
            [(True, 1), (False, 2), (True, 4)],
            [(True, 4), (False, 2)],
        ),
        (
            lambda s, **o: s.sum(negative, **o),
            operators.Sum(negative, keyed=True),
            [(True, -1), (False, -2), (True, -4)],
            [(True, -4), (False, -2)],
        ),
        (
            lambda s, **o: s.min(**o),
            operators.Min(keyed=True),
            [(True, 1), (False, 2), (True, 1)],
            [(True, 1), (False, 2)],
        ),
        (
            lambda s, **o: s.max(**o),
            operators.Max(keyed=True),
            [(True, 1), (False, 2), (True, 3)],
            [(True, 3), (False, 2)],
        ),
        (
            lambda s, **o: s.max(negative, **o),
            operators.Max(negative, keyed=True),
            [(True, 1), (False, 2), (True, 1)],
            [(True, 1), (False, 2)],
        ),
        (
            lambda s, **o: s.min(negative, **o),
            operators.Min(negative, keyed=True),
            [(True, 1), (False, 2), (True, 3)],
            [(True, 3), (False, 2)],
        ),
        (
            lambda s, **o: s.reduce(add, **o),
            operators.Reduce(add, keyed=True),
            [(True, 1), (False, 2), (True, 4)],
            [(True, 4), (False, 2)],
        ),
        (
            lambda s, **o: s.fold(10, add, **o),
            operators.Fold(10, add, keyed=True),
            [(True, 11), (False, 12), (True, 14)],
            [(True, 14), (False, 12)],
        ),
    ],
)
async def test_aggregates_by_key(build: Any, operator: Any, running: list[Any], final: list[Any]) -> None:
    env = sage.Environment("running")
    stream = build(env.from_iterable([1, 2, 3]).key_by(is_odd))
    assert env.logical_graph.nodes[-1].operator == operator
    assert env.logical_graph.edges[-1].partitioning == Hash()
    assert await stream.to_list() == running
    env = sage.Environment("final")
    stream = build(env.from_iterable([1, 2, 3]).key_by(is_odd), emit="end", parallelism=1, name="total")
    assert await stream.to_list() == final
    env = sage.Environment("spread")
    stream = build(env.from_iterable([1, 2, 3]).key_by(is_odd), emit="end", parallelism=3, name="total")
    assert env.logical_graph.nodes[-1].parallelism == 3
    assert sorted(await stream.to_list()) == sorted(final)


async def test_distinct_by_key() -> None:
    def tens(pair: tuple[str, int]) -> int:
        return pair[1] // 10

    env = sage.Environment("distinct")
    records = [("a", 1), ("b", 1), ("a", 1), ("a", 2)]
    keyed = env.from_iterable(records).key_by(lambda record: record[0])
    every, by_tens = keyed.distinct(), keyed.distinct(tens, parallelism=2, name="tens")
    assert env.logical_graph.nodes[-1].operator == operators.Distinct(tens, keyed=True)
    all_of_them, first = every.collect(), by_tens.collect()
    await env.run()
    assert all_of_them.values == [("a", 1), ("b", 1), ("a", 2)]
    assert sorted(first) == [("a", 1), ("b", 1)]


async def test_what_is_mapped_is_no_longer_keyed() -> None:
    env = sage.Environment("mapped")
    mapped = env.from_iterable([1]).key_by(is_odd).map(str)
    assert type(mapped) is sage.Stream
    assert await mapped.to_list() == ["1"]


async def test_keys_may_be_named_anew() -> None:
    env = sage.Environment("anew")
    keyed = env.from_iterable([1, 2, 3]).key_by(is_odd).key_by(lambda value: value > 1)
    assert await keyed.count(emit="end").to_list() == [(False, 1), (True, 2)]


async def test_a_process_function_sees_the_key() -> None:
    def with_key(value: int, ctx: Any) -> None:
        ctx.emit((ctx.key, value))

    env = sage.Environment("process")
    assert await env.from_iterable([1, 2]).key_by(is_odd).process(with_key).to_list() == [(True, 1), (False, 2)]
