"""The parts of a stream that was routed by name."""

from collections.abc import Callable
from typing import Generic, TypeVar

from sage.errors import GraphError
from sage.graph import Node
from sage.stream.stream import Stream

__all__ = ["RoutedStreams"]

T = TypeVar("T")


class RoutedStreams(Generic[T]):
    """What `route` returns: ``parts["name"]`` is the stream of the records that were sent to that name."""

    def __init__(self, node: Node, stream: Callable[[str], Stream[T]]) -> None:
        self._node = node
        self._part = stream

    def __getitem__(self, part: str) -> Stream[T]:
        if not isinstance(part, str):
            raise GraphError(f"route: {part!r} is no text; parts have the names that the function returns")
        return self._part(part)

    def __repr__(self) -> str:
        return f"<RoutedStreams of {self._node.name}>"
