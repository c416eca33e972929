"""What can be done with any stream, keyed or not."""

import datetime
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sage import operators
from sage.errors import GraphError
from sage.graph import Hash
from sage.operators.functions import FilterFunction, FlatMapFunction, MapFunction, ProcessFunction, SinkFunction
from sage.operators.numbers import seconds
from sage.refusal import described
from sage.stream.base import Origin
from sage.stream.connected import ConnectedStreams
from sage.stream.options import CallOptions, Unpack, split_options
from sage.stream.terminals import Terminals

if TYPE_CHECKING:
    from sage.stream.keyed import KeyedStream
    from sage.stream.routed import RoutedStreams
    from sage.stream.stream import Stream

__all__ = ["Transforms"]

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")


class Transforms(Terminals[T]):
    """The part of a stream that leads to other streams."""

    # ---- a function for each record

    @overload
    def map(
        self, function: MapFunction[T, U] | type[MapFunction[T, U]], **options: Unpack[CallOptions]
    ) -> "Stream[U]": ...
    @overload
    def map(self, function: Callable[[T], Awaitable[U]], **options: Unpack[CallOptions]) -> "Stream[U]": ...
    @overload
    def map(self, function: Callable[[T], U], **options: Unpack[CallOptions]) -> "Stream[U]": ...
    def map(self, function: Any, **options: Unpack[CallOptions]) -> "Stream[Any]":
        """Replace each record by what `function` returns for it.

        Args:
            function: plain (runs inline), async (a bounded number at a time), or a `MapFunction`.
            options: see `CallOptions`.

        Raises:
            GraphError: it cannot be used that way.
        """
        placed, calling = split_options(options)
        return self._then(described(operators.Map, function, **calling), **placed)

    def filter(
        self, function: Callable[[T], Any] | FilterFunction[T] | type[FilterFunction[T]], **options: Unpack[CallOptions]
    ) -> "Stream[T]":
        """Keep the records for which `function`, plain or async, returns something true.

        Raises:
            GraphError: it cannot be used that way.
        """
        placed, calling = split_options(options)
        return self._then(described(operators.Filter, function, **calling), **placed)

    @overload
    def flat_map(
        self, function: FlatMapFunction[T, U] | type[FlatMapFunction[T, U]], **options: Unpack[CallOptions]
    ) -> "Stream[U]": ...
    @overload
    def flat_map(self, function: Callable[[T], AsyncIterable[U]], **options: Unpack[CallOptions]) -> "Stream[U]": ...
    @overload
    def flat_map(
        self, function: Callable[[T], Awaitable[Iterable[U]]], **options: Unpack[CallOptions]
    ) -> "Stream[U]": ...
    @overload
    def flat_map(self, function: Callable[[T], Iterable[U]], **options: Unpack[CallOptions]) -> "Stream[U]": ...
    def flat_map(self, function: Any, **options: Unpack[CallOptions]) -> "Stream[Any]":
        """Replace each record by all that `function` returns or yields for it, in order, as it is made.

        Args:
            function: returns an iterable, or is a generator, an async function that returns an iterable, an async
                generator, or a `FlatMapFunction`.
            options: see `CallOptions`.

        Raises:
            GraphError: it cannot be used that way.
        """
        placed, calling = split_options(options)
        return self._then(described(operators.FlatMap, function, **calling), **placed)

    def inspect(
        self, function: Callable[[T], Any] | SinkFunction[T] | type[SinkFunction[T]], **options: Unpack[CallOptions]
    ) -> "Stream[T]":
        """Show each record to `function` and pass it on as it is.

        Raises:
            GraphError: it cannot be used that way.
        """
        placed, calling = split_options(options)
        return self._then(described(operators.Inspect, function, **calling), **placed, delivers=True)

    @overload
    def process(
        self, function: ProcessFunction[T, U] | type[ProcessFunction[T, U]], **options: Unpack[CallOptions]
    ) -> "Stream[U]": ...
    @overload
    def process(self, function: Callable[[T, Any], Any], **options: Unpack[CallOptions]) -> "Stream[Any]": ...
    def process(self, function: Any, **options: Unpack[CallOptions]) -> "Stream[Any]":
        """The most general step: `function` is called with the record and a context by which it emits what it likes.

        It works on one record at a time, also if it is async.

        Args:
            function: plain or async, of a record and a `ProcessContext`; or a `ProcessFunction`, which may have timers.
            options: see `CallOptions`.

        Raises:
            GraphError: it cannot be used that way.
        """
        placed, calling = split_options(options)
        return self._then(described(operators.Process, function, **calling), **placed, delivers=True)

    # ---- lists

    def batch(
        self,
        max_size: int,
        max_wait: float | datetime.timedelta | None = None,
        *,
        name: str | None = None,
        parallelism: int = 1,
    ) -> "Stream[list[T]]":
        """Make lists of records.

        Args:
            max_size: a list goes out as soon as it has so many records.
            max_wait: or so many seconds after its first record; `None` to wait for as long as it takes.
            name: what the operator is called.
            parallelism: into how many subtasks it is split.

        Raises:
            GraphError: a value cannot be.
        """
        return self._then(
            described(operators.Gather, max_size=max_size, max_wait=seconds(max_wait)),
            name=name,
            parallelism=parallelism,
        )

    @overload
    def map_batch(
        self,
        function: MapFunction[list[T], list[U]] | type[MapFunction[list[T], list[U]]],
        max_size: int,
        max_wait: float | datetime.timedelta | None = None,
        **options: Unpack[CallOptions],
    ) -> "Stream[U]": ...
    @overload
    def map_batch(
        self,
        function: Callable[[list[T]], Awaitable[Sequence[U]]],
        max_size: int,
        max_wait: float | datetime.timedelta | None = None,
        **options: Unpack[CallOptions],
    ) -> "Stream[U]": ...
    @overload
    def map_batch(
        self,
        function: Callable[[list[T]], Sequence[U]],
        max_size: int,
        max_wait: float | datetime.timedelta | None = None,
        **options: Unpack[CallOptions],
    ) -> "Stream[U]": ...
    def map_batch(
        self,
        function: Any,
        max_size: int,
        max_wait: float | datetime.timedelta | None = None,
        **options: Unpack[CallOptions],
    ) -> "Stream[Any]":
        """Replace each record by its result of a function over lists (a model, say), plain or async.

        Args:
            function: gets a list of records and returns a list of as many results.
            max_size: how many records it gets at most.
            max_wait: how many seconds a record waits for company at most; `None`: nobody waits.
            options: see `CallOptions`.

        Raises:
            GraphError: it cannot be used that way.
        """
        placed, calling = split_options(options)
        return self._then(
            described(operators.MapBatch, function, max_size=max_size, max_wait=seconds(max_wait), **calling), **placed
        )

    # ---- limits

    def take(self, count: int, *, name: str | None = None) -> "Stream[T]":
        """The first `count` records; then the stream ends, and what is upstream of it stops.

        Raises:
            GraphError: the count is negative.
        """
        return self._then(described(operators.Take, count), name=name)

    def skip(self, count: int, *, name: str | None = None) -> "Stream[T]":
        """All but the first `count` records.

        Raises:
            GraphError: the count is negative.
        """
        return self._then(described(operators.Skip, count), name=name)

    def throttle(self, rate: float, burst: int = 1, *, name: str | None = None) -> "Stream[T]":
        """Let no more than `rate` records a second pass, and at most `burst` at once; the others wait.

        Raises:
            GraphError: a value cannot be.
        """
        return self._then(described(operators.Throttle, rate, burst), name=name)

    # ---- parting and meeting

    @overload
    def key_by(
        self, function: MapFunction[T, K] | type[MapFunction[T, K]], **options: Unpack[CallOptions]
    ) -> "KeyedStream[K, T]": ...
    @overload
    def key_by(self, function: Callable[[T], K], **options: Unpack[CallOptions]) -> "KeyedStream[K, T]": ...
    def key_by(self, function: Any, **options: Unpack[CallOptions]) -> "KeyedStream[Any, T]":
        """Name the key of each record: records with equal keys then meet in one subtask, in order.

        Args:
            function: a plain function that returns the key: text, a number, bytes, `None`, a date, a UUID, an enum
                member, or a tuple of these. Keys that are equal in Python (``1`` and ``1.0``) are one key.
            options: see `CallOptions`.

        Raises:
            GraphError: it cannot be used that way.
        """
        from sage.stream.keyed import KeyedStream

        placed, calling = split_options(options)
        node = self._append(described(operators.KeyBy, function, **calling), **placed)
        return KeyedStream(self._program, (Origin(node, None, Hash()),))

    def union(self, *others: "Transforms[T]") -> "Stream[T]":
        """The records of this stream and of others, as they come.

        Raises:
            GraphError: a stream of another environment.
        """
        origins = self._origins
        for other in others:
            self._same_program(other, "union")
            origins += other._origins
        return self._stream(origins)

    def connect(self, other: "Transforms[U]") -> ConnectedStreams[T, U]:
        """This stream and another of any type, side by side: ``left.connect(right).map(f, g)``.

        Raises:
            GraphError: a stream of another environment.
        """
        self._same_program(other, "connect")
        return ConnectedStreams(self, other, self._stream)

    def route(
        self,
        function: Callable[[T], str] | MapFunction[T, str] | type[MapFunction[T, str]],
        **options: Unpack[CallOptions],
    ) -> "RoutedStreams[T]":
        """Part the stream: `function` names for each record the part that it goes to.

        The parts are streams: ``parts = stream.route(f); parts["a"].sink(...)``. What goes to a part that nobody reads
        is dropped (and counted).

        Args:
            function: a plain function that returns the name of a part.
            options: see `CallOptions`.

        Raises:
            GraphError: it cannot be used that way.
        """
        from sage.stream.routed import RoutedStreams

        placed, calling = split_options(options)
        node = self._append(described(operators.Route, function, **calling), **placed)
        return RoutedStreams(node, lambda part: self._stream((Origin(node, part),)))

    def side_output(self, output: str) -> "Stream[Any]":
        """A side output of the operator that this stream comes from.

        It is called ``"dead_letters"``, or as the process function calls it that emits to it.

        Raises:
            GraphError: the operator has no such output.
        """
        origin, *others = self._origins
        if others:
            raise GraphError(
                f"side_output({output!r}): this stream is a union; ask each of {', '.join(self.names)} for its own"
            )
        if not isinstance(output, str):
            raise GraphError(f"side_output({output!r}): write the name of a side output, a text")
        known = getattr(origin.node.operator, "side_outputs", ())
        if known is not None and output not in known:
            has = f"it has {', '.join(map(repr, known))}" if known else "it has none"
            hint = "; write on_error=sage.DeadLetter() to have one" if output == "dead_letters" else ""
            raise GraphError(f"operator {origin.node.name!r} has no side output {output!r}; {has}{hint}")
        return self._stream((Origin(origin.node, output),))

    def _then(
        self, operator: Any, *, name: str | None = None, parallelism: int = 1, delivers: bool = False
    ) -> "Stream[Any]":
        """A stream of what `operator` makes of this one."""
        return self._stream((Origin(self._append(operator, name=name, parallelism=parallelism, delivers=delivers)),))

    def _stream(self, origins: tuple[Origin, ...]) -> "Stream[Any]":
        from sage.stream.stream import Stream  # the one place where the base knows a derived class

        return Stream(self._program, origins)
