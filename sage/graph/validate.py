"""What a graph must fulfil before it runs. Everything about a single operator was checked when it was written."""

from pathlib import Path

from sage.errors import GraphError
from sage.graph.feedback import FeedbackHead, loops
from sage.graph.logical import Edge, Graph, Node
from sage.graph.partitioning import Forward
from sage.operators.endpoint import Endpoint
from sage.operators.file_sink import WriteLines
from sage.operators.reply import Reply

__all__ = ["validate"]


def validate(graph: Graph, program: str) -> None:
    """Refuse a graph that cannot run.

    Raises:
        GraphError: names the program, the operator, and what to write instead.
    """
    if not graph.nodes:
        raise GraphError(
            f"program {program!r} has nothing to run; write env.from_iterable([...]).map(...).sink(print), for example"
        )
    has_readers = {edge.sender for edge in graph.edges}
    if all(node.number in has_readers or node.is_source for node in graph.nodes):
        named = ", ".join(repr(node.name) for node in graph.nodes)
        raise GraphError(
            f"program {program!r} delivers nothing anywhere; "
            f"end one of its streams ({named}) with .sink(...) or .collect()"
        )
    for node in graph.nodes:
        _check_feedback(graph, node)
    on_loop = loops(graph)
    for node in graph.nodes:
        if node.number in on_loop and getattr(node.operator, "emits_at_end", False):
            raise GraphError(
                f"operator {node.name!r} lies inside a feedback loop and would give results only at the end "
                f"of its input, but a loop ends only when nothing is left inside; "
                f"write emit='each', or move it out of the loop"
            )
    for edge in graph.edges:
        _check_edge(graph, edge)
    _check_answers(graph)
    _check_files(graph)


def _check_feedback(graph: Graph, node: Node) -> None:
    if isinstance(node.operator, FeedbackHead) and not graph.inputs(node):
        raise GraphError(f"the feedback loop {node.name!r} was never closed; write loop.close(stream)")


def _check_answers(graph: Graph) -> None:
    readers: dict[int, set[int]] = {}
    for edge in graph.edges:
        readers.setdefault(edge.sender, set()).add(edge.receiver)
    replies = {node.number for node in graph.nodes if isinstance(node.operator, Reply)}
    answered: set[int] = set()
    for node in graph.nodes:
        if isinstance(node.operator, Endpoint):
            reached = _reached(readers, node.number)
            answered |= reached
            if not reached & replies:
                raise GraphError(
                    f"nobody who asks endpoint {node.name!r} would get an answer; end what it leads to with .reply()"
                )
    for number in replies - answered:
        raise GraphError(
            f"{graph.nodes[number].name!r} answers nobody, for no request comes this way; "
            f"begin the stream with env.endpoint(name), or end it with .sink(...)"
        )


def _check_files(graph: Graph) -> None:
    writers: dict[Path, Node] = {}
    for node in graph.nodes:
        if isinstance(node.operator, WriteLines):
            other = writers.setdefault(Path(node.operator.path).absolute(), node)
            if other is not node:
                raise GraphError(
                    f"{other.name!r} and {node.name!r} would both write {str(node.operator.path)!r}, over each other; "
                    f"give each a file of its own, or write the union of their streams"
                )


def _reached(readers: dict[int, set[int]], start: int) -> set[int]:
    reached, left = set[int](), [start]
    while left:
        for reader in readers.get(left.pop(), ()):
            if reader not in reached:
                reached.add(reader)
                left.append(reader)
    return reached


def _check_edge(graph: Graph, edge: Edge) -> None:
    sender, receiver = graph.nodes[edge.sender], graph.nodes[edge.receiver]
    if isinstance(edge.partitioning, Forward) and sender.parallelism != receiver.parallelism:
        raise GraphError(
            f"forward() from {sender.name!r} (parallelism {sender.parallelism}) "
            f"to {receiver.name!r} (parallelism {receiver.parallelism}) needs equal parallelism; "
            f"write rebalance() or rescale()"
        )
