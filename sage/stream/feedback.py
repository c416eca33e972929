"""Feedback: a stream whose records come from further down."""

from typing import Generic, TypeVar

from sage.errors import GraphError
from sage.graph import FeedbackHead, Graph
from sage.stream.base import BaseStream, Origin, Program
from sage.stream.stream import Stream

__all__ = ["FeedbackLoop"]

T = TypeVar("T")


class FeedbackLoop(Generic[T]):
    """What `Environment.feedback` returns::

        loop = env.feedback()
        step = source.union(loop.stream).map(work)
        loop.close(step.filter(not_done))

    The loop ends by itself, once every other input has ended and nothing is left inside.

    Attributes:
        stream: the records that come back.
    """

    def __init__(self, program: Program, graph: Graph, name: str | None) -> None:
        self._node = graph.add(FeedbackHead(), name=name, label="", parallelism=1)
        self._program = program
        self._closed = False
        self.stream: Stream[T] = Stream(program, (Origin(self._node),))

    def close(self, stream: BaseStream[T]) -> None:
        """Send the records of `stream` back into the loop.

        Raises:
            GraphError: a stream of another environment, or the loop was closed before.
        """
        self.stream._same_program(stream, "close")
        if self._closed:
            raise GraphError(
                f"the feedback loop {self._node.name!r} was closed before; send several streams back with a union"
            )
        self._closed = True
        stream._feed(self._node, bounded=False)
