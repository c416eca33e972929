"""The graph as it was written: names, operators, edges."""

import re
from typing import Any

import pytest

import sage
from sage.graph import Auto, Edge, Graph, Node
from sage.operators import FromIterable, Map


def add(graph: Graph, name: str | None = None, label: str = "", parallelism: int = 1) -> Node:
    return graph.add(Map(str), name=name, label=label, parallelism=parallelism)


def test_nodes_are_numbered_as_they_are_written() -> None:
    graph = Graph()
    source = graph.add(FromIterable([1]), name="numbers", label="", parallelism=1)
    step = add(graph, "text", parallelism=3)
    assert graph.nodes == [source, step]
    assert (source.number, source.is_source) == (0, True)
    assert (step.number, step.name, step.parallelism, step.is_source) == (1, "text", 3, False)


def test_names_are_made_of_the_kind_and_the_function() -> None:
    graph = Graph()
    assert [add(graph, label=label).name for label in ("", "str", "", "str", "str")] == [
        "map",
        "map(str)",
        "map#2",
        "map(str)#2",
        "map(str)#3",
    ]


def test_a_made_name_is_never_one_that_was_given() -> None:
    graph = Graph()
    assert [add(graph, name).name for name in ("map", None, "map#3", None)] == ["map", "map#2", "map#3", "map#4"]


def test_a_name_is_given_once() -> None:
    graph = Graph()
    add(graph, "step")
    with pytest.raises(sage.GraphError, match="map: the name 'step' is taken by another operator; names are unique"):
        add(graph, "step")
    assert len(graph.nodes) == 1


def test_a_given_name_may_not_be_one_that_was_made() -> None:
    graph = Graph()
    add(graph)
    with pytest.raises(sage.GraphError, match="the name 'map' is taken"):
        add(graph, "map")


@pytest.mark.parametrize("name", ["", " \n", 5, b"step"])
def test_a_name_is_text(name: Any) -> None:
    with pytest.raises(
        sage.GraphError, match=rf"map: name={re.escape(repr(name))}: write a text that is not empty, or leave it out"
    ):
        add(Graph(), name)


@pytest.mark.parametrize("parallelism", [0, -1, 1.5, True, "2", None])
def test_a_parallelism_is_a_number_of_subtasks(parallelism: Any) -> None:
    with pytest.raises(
        sage.GraphError, match=f"map: parallelism={parallelism!r}: write a number of subtasks, 1 or more"
    ):
        add(Graph(), parallelism=parallelism)


def test_edges_are_found_from_either_end() -> None:
    graph = Graph()
    one, two, three = (add(graph) for _ in range(3))
    edges = [Edge(0, 1), Edge(0, 2, port=1, output="late"), Edge(1, 2)]
    for edge in edges:
        graph.connect(edge)
    assert graph.edges == edges
    assert graph.outputs(one) == edges[:2]
    assert graph.inputs(two) == [edges[0]]
    assert graph.inputs(three) == edges[1:]
    assert graph.outputs(three) == []
    assert (edges[0].output, edges[0].partitioning, edges[0].bounded) == (None, Auto(), True)


def test_what_is_added_to_a_copy_is_not_in_the_graph() -> None:
    graph = Graph()
    add(graph, "first")
    copied = graph.copy()
    add(copied, "second")
    copied.connect(Edge(0, 1))
    copied.read_elsewhere(copied.nodes[1])
    assert ([node.name for node in graph.nodes], graph.edges) == (["first"], [])
    assert add(graph, "second").number == 1
    assert (graph.unread(), copied.unread()) == (graph.nodes, [])


def test_unread_is_what_makes_results_for_nobody() -> None:
    graph = Graph()
    source, dropped, listed = (add(graph, name) for name in ("source", "dropped", "listed"))
    graph.connect(Edge(source.number, dropped.number))
    graph.add(Map(str), name="sink", label="", parallelism=1, delivers=True)
    graph.read_elsewhere(listed)
    assert graph.unread() == [dropped]
