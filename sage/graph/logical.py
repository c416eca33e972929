"""The graph as it was written: operators and edges."""

from dataclasses import dataclass
from typing import Any

from sage.errors import GraphError
from sage.graph.partitioning import Auto, Partitioning
from sage.operators.contract import Operator
from sage.operators.numbers import is_count
from sage.operators.source import Source

__all__ = ["Edge", "Graph", "Node"]


@dataclass(frozen=True)
class Node:
    """One operator of the program.

    Attributes:
        number: its place in the order of writing, from 0.
        name: unique in the graph.
        operator: its description.
        parallelism: into how many subtasks it is split.
        delivers: whether it is of use although nobody reads what it emits.
    """

    number: int
    name: str
    operator: Operator[Any, Any] | Source[Any]
    parallelism: int
    delivers: bool = False

    @property
    def is_source(self) -> bool:
        """Whether it has no inputs."""
        return isinstance(self.operator, Source)


@dataclass(frozen=True)
class Edge:
    """A connection between two operators.

    Attributes:
        sender: number of the node that emits.
        receiver: number of the node that reads.
        port: at which of its inputs.
        output: which side output of the sender; `None` for the main one.
        partitioning: how records are spread over the receiver's subtasks.
        bounded: False for the edge that closes a feedback loop: what is inside is bounded by the loop's other inputs,
            and a bounded one would wait for itself.
    """

    sender: int
    receiver: int
    port: int = 0
    output: str | None = None
    partitioning: Partitioning = Auto()
    bounded: bool = True


class Graph:
    """Operators and edges in the order in which they were written."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self._names: set[str] = set()
        # With which number to look for the next name that is made of the same parts.
        self._next_numbers: dict[str, int] = {}
        # The operators that were read by runs of their own (`to_list`), whose sinks are not in this graph.
        self._read_elsewhere: set[int] = set()

    def add(
        self,
        operator: Operator[Any, Any] | Source[Any],
        *,
        name: str | None,
        label: str,
        parallelism: int,
        delivers: bool = False,
    ) -> Node:
        """Add an operator.

        Args:
            operator: its description.
            name: what the user calls it; `None` to have one made from the kind and `label`.
            label: what its function is called; may be empty.
            parallelism: into how many subtasks it is split.
            delivers: whether it is of use although nobody reads what it emits.

        Raises:
            GraphError: the name is taken, or a value cannot be.
        """
        if not is_count(parallelism):
            raise GraphError(f"{operator.kind}: parallelism={parallelism!r}: write a number of subtasks, 1 or more")
        chosen = self._made_name(operator.kind, label) if name is None else self._given_name(operator.kind, name)
        node = Node(len(self.nodes), chosen, operator, parallelism, delivers)
        self._names.add(chosen)
        self.nodes.append(node)
        return node

    def connect(self, edge: Edge) -> None:
        """Add an edge between two operators of this graph."""
        self.edges.append(edge)

    def copy(self) -> "Graph":
        """The same operators and edges; what is added to one of the two is not in the other."""
        copied = Graph()
        copied.nodes, copied.edges, copied._names = [*self.nodes], [*self.edges], {*self._names}
        copied._next_numbers = {**self._next_numbers}
        copied._read_elsewhere = {*self._read_elsewhere}
        return copied

    def inputs(self, node: Node) -> list[Edge]:
        """The edges that `node` reads."""
        return [edge for edge in self.edges if edge.receiver == node.number]

    def outputs(self, node: Node) -> list[Edge]:
        """The edges into which `node` emits."""
        return [edge for edge in self.edges if edge.sender == node.number]

    def read_elsewhere(self, node: Node) -> None:
        """Note that a copy of this graph has a sink for `node`."""
        self._read_elsewhere.add(node.number)

    def unread(self) -> list[Node]:
        """The operators whose results nobody reads, although that is all that they are there for."""
        read = self._read_elsewhere.union(edge.sender for edge in self.edges)
        return [node for node in self.nodes if not (node.delivers or node.number in read)]

    def _given_name(self, kind: str, name: str) -> str:
        if not isinstance(name, str) or not name.strip():
            raise GraphError(f"{kind}: name={name!r}: write a text that is not empty, or leave it out")
        if name in self._names:
            raise GraphError(f"{kind}: the name {name!r} is taken by another operator; names are unique in a program")
        return name

    def _made_name(self, kind: str, label: str) -> str:
        base = f"{kind}({label})" if label else kind
        number = self._next_numbers.get(base, 1)
        while (name := base if number == 1 else f"{base}#{number}") in self._names:
            number += 1
        self._next_numbers[base] = number + 1
        return name
