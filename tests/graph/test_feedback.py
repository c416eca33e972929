"""Which operators lie on a loop, and on which."""

import itertools

import pytest

from sage.graph import Edge, FeedbackHead, Graph, loops
from sage.operators import Batch, Map
from sage.testing import OperatorHarness


def graph(heads: set[int], *edges: tuple[int, int]) -> Graph:
    made = Graph()
    for number in range(1 + max(itertools.chain(*edges))):
        operator = FeedbackHead() if number in heads else Map(str)
        made.add(operator, name=None, label="", parallelism=1)
    for sender, receiver in edges:
        made.connect(Edge(sender, receiver, bounded=receiver not in heads))
    return made


def groups(found: dict[int, int]) -> list[set[int]]:
    """The operators of each loop, whatever its number."""
    return sorted(({node for node in found if found[node] == loop} for loop in set(found.values())), key=min)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (graph(set(), (0, 1), (1, 2)), []),
        (graph({0}, (0, 1), (1, 0), (1, 2)), [{0, 1}]),
        (graph({1}, (0, 2), (1, 2), (2, 3), (3, 1), (3, 4)), [{1, 2, 3}]),
        # One behind the other, and one inside the other.
        (graph({0, 2}, (0, 1), (1, 0), (1, 3), (2, 3), (3, 2)), [{0, 1}, {2, 3}]),
        (graph({0, 1}, (0, 1), (1, 2), (2, 1), (2, 0)), [{0, 1, 2}]),
        # Two that share an operator, and a third that shares one with each of two.
        (graph({0, 1}, (0, 2), (1, 2), (2, 0), (2, 1)), [{0, 1, 2}]),
        (graph({0, 1, 2}, (0, 3), (3, 0), (1, 4), (4, 1), (2, 3), (3, 4), (4, 2)), [{0, 1, 2, 3, 4}]),
        # A head that leads nowhere back.
        (graph({0}, (0, 1), (1, 2)), []),
    ],
)
def test_loops(made: Graph, expected: list[set[int]]) -> None:
    assert groups(loops(made)) == expected


async def test_a_head_passes_records_on() -> None:
    batch = Batch([1, 2], ["a", "b"])
    async with OperatorHarness(FeedbackHead()) as op:
        op.process(batch)
    assert op.emitted == [batch]
