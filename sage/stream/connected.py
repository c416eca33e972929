"""Two streams side by side, worked on by one operator."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sage import operators
from sage.operators.functions import CoMapFunction
from sage.refusal import described
from sage.stream.base import BaseStream, Origin
from sage.stream.options import CallOptions, Unpack, split_options

__all__ = ["ConnectedStreams"]

L = TypeVar("L")
R = TypeVar("R")


class ConnectedStreams(Generic[L, R]):
    """What ``left.connect(right)`` returns.

    If both are keyed, records of the two with equal keys meet in one subtask.
    """

    def __init__(self, left: BaseStream[L], right: BaseStream[R], stream: Callable[[tuple[Origin, ...]], Any]) -> None:
        self._left = left
        self._right = right
        # Makes the resulting stream.
        self._stream = stream

    def map(
        self,
        first: Callable[[L], Any] | CoMapFunction[L, R, Any] | type[CoMapFunction[L, R, Any]],
        second: Callable[[R], Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Replace records of the left stream by what `first` returns, and those of the right by what `second` returns.

        Args:
            first: plain or async; or a `CoMapFunction` that does both, and then `second` is left out.
            second: plain or async.
            options: see `CallOptions`.

        Raises:
            GraphError: it cannot be used that way.
        """
        placed, calling = split_options(options)
        node = self._left._append(described(operators.CoMap, first, second, **calling), port=0, **placed)
        self._right._feed(node, 1)
        return self._stream((Origin(node),))
