"""The physical plan: which subtasks there are and which channels join them."""

from dataclasses import dataclass

from sage.graph.feedback import loops
from sage.graph.logical import Edge, Graph, Node
from sage.graph.partitioning import Auto, Forward, Partitioning, Rebalance, Rescale

__all__ = ["Link", "Plan", "Subtask", "physical_plan"]


@dataclass(frozen=True)
class Subtask:
    """One of the parallel instances of an operator."""

    node: Node
    index: int

    @property
    def name(self) -> str:
        """The operator's name, with the index where there are several."""
        return f"{self.node.name}[{self.index}]" if self.node.parallelism > 1 else self.node.name


@dataclass(frozen=True)
class Link:
    """An edge between subtasks: who sends to whom.

    Attributes:
        edge: the logical edge.
        partitioning: as the edge has it, `Auto` resolved.
        loop: the number of the feedback loop that it lies on, if it does.
        receivers: for each subtask of the sender, the subtasks of the receiver that it has a channel to.
    """

    edge: Edge
    partitioning: Partitioning
    loop: int | None
    receivers: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Plan:
    """Subtasks and links, ready for an engine.

    Attributes:
        subtasks: sources first, in the order of the graph.
        links: one for each edge.
        loops: for each node on a feedback loop, the loop's number.
    """

    subtasks: tuple[Subtask, ...]
    links: tuple[Link, ...]
    loops: dict[int, int]


def physical_plan(graph: Graph) -> Plan:
    """Split the operators of a valid graph into subtasks and its edges into channels."""
    on_loop = loops(graph)
    subtasks = tuple(Subtask(node, index) for node in graph.nodes for index in range(node.parallelism))
    return Plan(subtasks, tuple(_link(graph, edge, on_loop) for edge in graph.edges), on_loop)


def _link(graph: Graph, edge: Edge, on_loop: dict[int, int]) -> Link:
    senders, receivers = graph.nodes[edge.sender].parallelism, graph.nodes[edge.receiver].parallelism
    partitioning = edge.partitioning
    if isinstance(partitioning, Auto):
        partitioning = Forward() if senders == receivers else Rebalance()
    loop = on_loop.get(edge.sender)
    return Link(
        edge,
        partitioning,
        loop if loop is not None and loop == on_loop.get(edge.receiver) else None,
        tuple(_receivers_of(sender, senders, receivers, partitioning) for sender in range(senders)),
    )


def _receivers_of(sender: int, senders: int, receivers: int, partitioning: Partitioning) -> tuple[int, ...]:
    if isinstance(partitioning, Forward):
        return (sender,)
    if isinstance(partitioning, Rescale):
        if senders >= receivers:
            return (sender * receivers // senders,)
        return tuple(range(sender * receivers // senders, (sender + 1) * receivers // senders))
    return tuple(range(receivers))
