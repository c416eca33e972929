"""Streams in parts."""

import pytest

import sage
from sage import operators
from sage.stream import RoutedStreams


def parity(value: int) -> str:
    return "odd" if value % 2 else "even"


async def test_each_part_gets_what_is_sent_to_it() -> None:
    env = sage.Environment("parts")
    parts = env.from_iterable(range(5)).route(parity)
    assert type(parts) is RoutedStreams
    assert env.logical_graph.nodes[-1].operator == operators.Route(parity)
    assert repr(parts) == "<RoutedStreams of route(parity)>"
    odd, even = parts["odd"].collect(), parts["even"].map(str).collect()
    assert [edge.output for edge in env.logical_graph.edges] == [None, "odd", "even", None]
    await env.run()
    assert (odd.values, even.values) == ([1, 3], ["0", "2", "4"])


async def test_a_part_may_be_read_twice_and_united() -> None:
    env = sage.Environment("again")
    parts = env.from_iterable(range(4)).route(parity)
    both = parts["odd"].union(parts["even"], parts["odd"])
    assert sorted(await both.to_list()) == [0, 1, 1, 2, 3, 3]


async def test_what_nobody_reads_is_dropped_and_counted() -> None:
    env = sage.Environment("dropped")
    odd = env.from_iterable(range(5)).route(parity, name="parts")["odd"].collect()
    result = await env.run()
    assert odd.values == [1, 3]
    assert result.operators["parts"].dropped == 3


async def test_failed_records_are_set_aside() -> None:
    def name_of(value: int) -> str:
        return {1: "one"}[value]

    env = sage.Environment("aside")
    parts = env.from_iterable([1, 2]).route(name_of, on_error=sage.DeadLetter())
    one, dead = parts["one"].collect(), parts["dead_letters"].collect()
    await env.run()
    assert one.values == [1]
    assert len(dead) == 1


def test_parts_have_names() -> None:
    parts = sage.Environment("parts").from_iterable([1]).route(parity)
    with pytest.raises(sage.GraphError, match="route: 5 is no text; parts have the names that the function returns"):
        parts[5]  # type: ignore[index]
