"""Feedback loops: where one begins, and which operators lie on one."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sage.graph.logical import Graph
from sage.operators.contract import Emissions, Logic, Operator
from sage.operators.elements import Batch

__all__ = ["FeedbackHead", "loops"]


@dataclass(frozen=True)
class FeedbackHead(Operator[Any, Any]):
    """Where the records of a loop come back in: passes them on, and learns when there are none left."""

    kind: ClassVar[str] = "feedback"

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _PassOn()


class _PassOn(Logic):
    def process(self, batch: Batch[Any], port: int) -> Emissions:
        return (batch,)


def loops(graph: Graph) -> dict[int, int]:
    """The operators that lie on a loop: for each its node number, and the number of its loop.

    A loop is what lies between a head and itself; loops that share an operator count as one.
    """
    followers: list[list[int]] = [[] for _ in graph.nodes]
    leaders: list[list[int]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        followers[edge.sender].append(edge.receiver)
        leaders[edge.receiver].append(edge.sender)
    found: dict[int, int] = {}
    for node in graph.nodes:
        if isinstance(node.operator, FeedbackHead):
            members = _reachable(node.number, followers) & _reachable(node.number, leaders)
            joined = {found[member] for member in members if member in found}
            members.update(member for member, number in found.items() if number in joined)
            found.update(dict.fromkeys(members, node.number))
    return found


def _reachable(start: int, neighbours: list[list[int]]) -> set[int]:
    reached: set[int] = set()
    ahead = list(neighbours[start])
    while ahead:
        node = ahead.pop()
        if node not in reached:
            reached.add(node)
            ahead.extend(neighbours[node])
    return reached
