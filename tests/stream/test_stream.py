"""Streams without keys: how they are spread over subtasks, and what they add up to."""

from collections.abc import Callable
from typing import Any

import pytest

import sage
from sage import operators
from sage.graph import Auto, Broadcast, Custom, Forward, Hash, Partitioning, Rebalance, Rescale
from sage.stream import Stream


def remainder(value: int, parallelism: int) -> int:
    return value % parallelism


def add(left: int, right: int) -> int:
    return left + right


def empty() -> list[int]:
    return []


def append(values: list[int], value: int) -> list[int]:
    return [*values, value]


def negative(value: int) -> int:
    return -value


def tens(value: int) -> int:
    return value // 10


@pytest.mark.parametrize(
    ("spread", "partitioning"),
    [
        (lambda s: s, Auto()),
        (lambda s: s.forward(), Forward()),
        (lambda s: s.rebalance(), Rebalance()),
        (lambda s: s.rescale(), Rescale()),
        (lambda s: s.broadcast(), Broadcast()),
        (lambda s: s.partition(remainder), Custom(remainder)),
        (lambda s: s.key_by(negative), Hash()),
        (lambda s: s.broadcast().rebalance(), Rebalance()),
    ],
)
def test_the_next_operator_reads_as_the_stream_is_spread(
    spread: Callable[[Stream[int]], Stream[int]], partitioning: Partitioning
) -> None:
    env = sage.Environment("spread")
    spread(env.from_iterable([1])).map(str)
    assert env.logical_graph.edges[-1].partitioning == partitioning


async def test_how_a_stream_is_spread_is_how_it_arrives() -> None:
    def where(value: int) -> tuple[int, int]:
        return sage.context().subtask_index, value

    async def arrived(spread: Callable[[Stream[int]], Stream[int]]) -> list[tuple[int, int]]:
        env = sage.Environment("spread")
        return sorted(await spread(env.from_iterable(range(4))).map(where, parallelism=2).to_list())

    turns = [(0, 0), (0, 2), (1, 1), (1, 3)]
    assert await arrived(lambda s: s.rebalance()) == turns
    assert await arrived(lambda s: s.rescale()) == turns
    assert await arrived(lambda s: s.partition(remainder)) == turns
    assert await arrived(lambda s: s.partition(lambda value, _: 1)) == [(1, value) for value in range(4)]
    assert await arrived(lambda s: s.broadcast()) == [(index, value) for index in range(2) for value in range(4)]


def test_spreading_leaves_the_stream_as_it_was() -> None:
    env = sage.Environment("spread")
    numbers = env.from_iterable([1])
    numbers.broadcast().map(str, name="all")
    numbers.map(str, name="some")
    assert [edge.partitioning for edge in env.logical_graph.edges] == [Broadcast(), Auto()]


@pytest.mark.parametrize(
    ("build", "operator", "running", "final"),
    [
        (lambda s, **o: s.count(**o), operators.Count(), [1, 2, 3], [3]),
        (lambda s, **o: s.sum(**o), operators.Sum(), [11, 13, 35], [35]),
        (lambda s, **o: s.sum(negative, **o), operators.Sum(negative), [-11, -13, -35], [-35]),
        (lambda s, **o: s.min(**o), operators.Min(), [11, 2, 2], [2]),
        (lambda s, **o: s.min(tens, **o), operators.Min(tens), [11, 2, 2], [2]),
        (lambda s, **o: s.max(**o), operators.Max(), [11, 11, 22], [22]),
        (lambda s, **o: s.max(negative, **o), operators.Max(negative), [11, 2, 2], [2]),
        (lambda s, **o: s.reduce(add, **o), operators.Reduce(add), [11, 13, 35], [35]),
        (lambda s, **o: s.fold(100, add, **o), operators.Fold(100, add), [111, 113, 135], [135]),
        (
            lambda s, **o: s.fold(empty, append, **o),
            operators.Fold(empty, append),
            [[11], [11, 2], [11, 2, 22]],
            [[11, 2, 22]],
        ),
    ],
)
async def test_aggregates(build: Any, operator: Any, running: list[Any], final: list[Any]) -> None:
    env = sage.Environment("running")
    stream = build(env.from_iterable([11, 2, 22]))
    assert env.logical_graph.nodes[-1].operator == operator
    assert await stream.to_list() == running
    env = sage.Environment("final")
    stream = build(env.from_iterable([11, 2, 22]), emit="end", name="total")
    node: Any = env.logical_graph.nodes[-1]
    assert (node.name, node.operator.emits_at_end) == ("total", True)
    assert await stream.to_list() == final


async def test_distinct() -> None:
    env = sage.Environment("distinct")
    numbers = env.from_iterable([11, 2, 11, 12, 2])
    assert await numbers.distinct().to_list() == [11, 2, 12]
    env = sage.Environment("distinct by")
    assert await env.from_iterable([11, 2, 11, 12, 2]).distinct(tens, name="first").to_list() == [11, 2]
    assert env.logical_graph.nodes[1].operator == operators.Distinct(tens)


@pytest.mark.parametrize(
    "build",
    [
        lambda s, policy: s.sum(on_error=policy),
        lambda s, policy: s.min(on_error=policy),
        lambda s, policy: s.max(on_error=policy),
        lambda s, policy: s.reduce(add, on_error=policy),
        lambda s, policy: s.fold(0, add, on_error=policy),
    ],
)
async def test_aggregates_set_aside_what_they_cannot_take_in(build: Any) -> None:
    env = sage.Environment("aside")
    stream = build(env.from_iterable([1, "two", 3]), sage.DeadLetter())
    good, dead = stream.collect(), stream.side_output("dead_letters").collect()
    await env.run()
    assert len(good) == 2
    assert [letter.value for letter in dead] == ["two"]


async def test_distinct_sets_aside_what_cannot_be_remembered() -> None:
    env = sage.Environment("aside")
    stream = env.from_iterable([1, [2], 1]).distinct(on_error=sage.DeadLetter())
    good, dead = stream.collect(), stream.side_output("dead_letters").collect()
    await env.run()
    assert good.values == [1]
    assert [letter.value for letter in dead] == [[2]]
