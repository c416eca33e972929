"""Loops, as programs write them."""

import pytest

import sage
from sage.graph import FeedbackHead
from sage.stream import Stream


async def test_records_go_around_until_none_are_left() -> None:
    env = sage.Environment("halves")
    loop = env.feedback(name="again")
    halves = env.from_iterable([8, 5]).union(loop.stream).map(lambda n: n // 2)
    assert type(loop.stream) is Stream
    loop.close(halves.filter(lambda n: n > 0))
    assert sorted(await halves.to_list()) == [0, 0, 1, 1, 2, 2, 4]
    head = env.logical_graph.nodes[0]
    assert (head.name, head.operator) == ("again", FeedbackHead())
    assert [edge.bounded for edge in env.logical_graph.inputs(head)] == [False]


async def test_two_loops_in_one_program() -> None:
    env = sage.Environment("two")
    up, down = env.feedback(), env.feedback()
    rising = env.from_iterable([0]).union(up.stream).map(lambda n: n + 1)
    up.close(rising.filter(lambda n: n < 3))
    falling = rising.union(down.stream).map(lambda n: n - 1)
    down.close(falling.filter(lambda n: n > 0))
    assert sorted(await falling.to_list()) == [0, 0, 0, 1, 1, 2]
    assert [node.name for node in env.logical_graph.nodes[:2]] == ["feedback", "feedback#2"]


async def test_a_loop_that_is_read_by_key() -> None:
    env = sage.Environment("keyed")
    loop = env.feedback()
    steps = env.from_iterable([3, 4]).union(loop.stream).key_by(lambda n: n % 2).map(lambda n: n - 2, parallelism=2)
    loop.close(steps.filter(lambda n: n > 0))
    assert sorted(await steps.to_list()) == [-1, 0, 1, 2]


def test_a_loop_is_closed_once() -> None:
    env = sage.Environment("twice")
    loop = env.feedback()
    step = env.from_iterable([1]).union(loop.stream).map(abs)
    loop.close(step)
    with pytest.raises(sage.GraphError, match="'feedback' was closed before; send several streams back with a union"):
        loop.close(step)


def test_a_loop_is_closed_with_a_stream_of_its_program() -> None:
    loop = sage.Environment("one").feedback()
    with pytest.raises(sage.GraphError, match="close: the streams belong to two environments, 'one' and 'other'"):
        loop.close(sage.Environment("other").from_iterable([1]))


async def test_a_loop_that_was_never_closed_is_refused() -> None:
    env = sage.Environment("open")
    env.from_iterable([1]).union(env.feedback(name="again").stream).print()
    with pytest.raises(
        sage.GraphError, match=r"the feedback loop 'again' was never closed; write loop.close\(stream\)"
    ):
        await env.run()
