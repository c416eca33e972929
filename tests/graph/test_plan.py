"""The physical plan: who sends to whom."""

import pytest

import sage
from sage.graph import (
    Auto,
    Broadcast,
    Custom,
    Edge,
    Forward,
    Graph,
    Hash,
    Link,
    Partitioning,
    Rebalance,
    Rescale,
    physical_plan,
)
from sage.operators import FromIterable, Map

Receivers = tuple[tuple[int, ...], ...]


def link(senders: int, receivers: int, partitioning: Partitioning) -> Link:
    graph = Graph()
    graph.add(Map(str), name=None, label="", parallelism=senders)
    graph.add(Map(str), name=None, label="", parallelism=receivers)
    graph.connect(Edge(0, 1, partitioning=partitioning))
    (only,) = physical_plan(graph).links
    return only


@pytest.mark.parametrize(
    ("senders", "receivers", "resolved", "channels"),
    [
        (1, 1, Forward(), ((0,),)),
        (3, 3, Forward(), ((0,), (1,), (2,))),
        (1, 3, Rebalance(), ((0, 1, 2),)),
        (3, 1, Rebalance(), ((0,), (0,), (0,))),
    ],
)
def test_what_nobody_says_depends_on_the_parallelism(
    senders: int, receivers: int, resolved: Partitioning, channels: Receivers
) -> None:
    found = link(senders, receivers, Auto())
    assert (found.partitioning, found.receivers) == (resolved, channels)


@pytest.mark.parametrize("partitioning", [Rebalance(), Hash(), Broadcast(), Custom(lambda value, parallelism: 0)])
def test_where_any_subtask_may_be_the_target_all_are_joined(partitioning: Partitioning) -> None:
    found = link(2, 3, partitioning)
    assert (found.partitioning, found.receivers) == (partitioning, ((0, 1, 2), (0, 1, 2)))


def test_forward_joins_subtasks_of_the_same_index() -> None:
    assert link(2, 2, Forward()).receivers == ((0,), (1,))


@pytest.mark.parametrize(
    ("senders", "receivers", "channels"),
    [
        (1, 1, ((0,),)),
        (1, 3, ((0, 1, 2),)),
        (3, 1, ((0,), (0,), (0,))),
        (2, 4, ((0, 1), (2, 3))),
        (4, 2, ((0,), (0,), (1,), (1,))),
        (2, 3, ((0,), (1, 2))),
        (3, 2, ((0,), (0,), (1,))),
        (3, 3, ((0,), (1,), (2,))),
        (3, 7, ((0, 1), (2, 3), (4, 5, 6))),
    ],
)
def test_rescale_gives_each_sender_its_share(senders: int, receivers: int, channels: Receivers) -> None:
    assert link(senders, receivers, Rescale()).receivers == channels


@pytest.mark.parametrize("senders", range(1, 9))
@pytest.mark.parametrize("receivers", range(1, 9))
def test_rescale_leaves_nobody_out_and_shares_evenly(senders: int, receivers: int) -> None:
    channels = link(senders, receivers, Rescale()).receivers
    assert len(channels) == senders
    assert all(channels)
    assert {receiver for share in channels for receiver in share} == set(range(receivers))
    fan_in = [sum(receiver in share for share in channels) for receiver in range(receivers)]
    assert max(map(len, channels)) - min(map(len, channels)) <= 1
    assert max(fan_in) - min(fan_in) <= 1


def test_subtasks_in_the_order_of_the_graph() -> None:
    graph = Graph()
    graph.add(FromIterable([1]), name="numbers", label="", parallelism=1)
    graph.add(Map(str), name="text", label="", parallelism=2)
    plan = physical_plan(graph)
    assert [subtask.name for subtask in plan.subtasks] == ["numbers", "text[0]", "text[1]"]
    assert [(subtask.node.number, subtask.index) for subtask in plan.subtasks] == [(0, 0), (1, 0), (1, 1)]
    assert plan.loops == {}


def test_a_link_tells_on_which_loop_it_lies() -> None:
    env = sage.Environment("loop")
    loop = env.feedback(name="head")
    source = env.from_iterable([1])
    step = source.union(loop.stream).map(abs, name="step")
    step.sink(print, name="out")
    loop.close(step)
    plan = physical_plan(env.logical_graph)
    names = [node.name for node in env.logical_graph.nodes]
    found = {(names[link.edge.sender], names[link.edge.receiver]): link.loop for link in plan.links}
    head = names.index("head")
    assert found == {
        ("from_iterable", "step"): None,
        ("head", "step"): head,
        ("step", "out"): None,
        ("step", "head"): head,
    }
    assert plan.loops == {head: head, names.index("step"): head}
