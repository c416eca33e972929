"""Two streams side by side, worked on by one operator."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from sage import operators
from sage.operators.functions import CoMapFunction
from sage.refusal import described
from sage.stream.base import BaseStream, Origin
from sage.stream.options import CallOptions, Unpack, split_options

if TYPE_CHECKING:
    from sage.stream.stream import Stream

__all__ = ["ConnectedStreams"]

L = TypeVar("L")
R = TypeVar("R")
U = TypeVar("U")
V = TypeVar("V")


class ConnectedStreams(Generic[L, R]):
    """What ``left.connect(right)`` returns.

    If both are keyed, records of the two with equal keys meet in one subtask.
    """

    def __init__(self, left: BaseStream[L], right: BaseStream[R], stream: Callable[[tuple[Origin, ...]], Any]) -> None:
        self._left = left
        self._right = right
        # Makes the resulting stream.
        self._stream = stream

    @overload
    def map(
        self, first: CoMapFunction[L, R, U] | type[CoMapFunction[L, R, U]], **options: Unpack[CallOptions]
    ) -> "Stream[U]": ...
    @overload
    def map(
        self,
        first: Callable[[L], Awaitable[U]],
        second: Callable[[R], Awaitable[V]],
        **options: Unpack[CallOptions],
    ) -> "Stream[U | V]": ...
    @overload
    def map(
        self, first: Callable[[L], Awaitable[U]], second: Callable[[R], V], **options: Unpack[CallOptions]
    ) -> "Stream[U | V]": ...
    @overload
    def map(
        self, first: Callable[[L], U], second: Callable[[R], Awaitable[V]], **options: Unpack[CallOptions]
    ) -> "Stream[U | V]": ...
    @overload
    def map(
        self, first: Callable[[L], U], second: Callable[[R], V], **options: Unpack[CallOptions]
    ) -> "Stream[U | V]": ...
    def map(self, first: Any, second: Any = None, **options: Unpack[CallOptions]) -> "Stream[Any]":
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
        stream: Stream[Any] = self._stream((Origin(node),))
        return stream
