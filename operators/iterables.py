"""Sources from what Python iterates over: containers, iterators, generators, async ones, functions that make them."""

import functools
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any, ClassVar, TypeVar

from sage.operators.callables import BoundFunction, Shape, UserFunction, label_of, user_function
from sage.operators.errors import InvalidOperator, NotReplayable, shorten
from sage.operators.functions import SourceFunction
from sage.operators.pace import Pace
from sage.operators.plain import is_iterable, refuse_awaitable
from sage.operators.source import Outlet, PullReader, PushReader, Source, SourceLogic

__all__ = ["FromFunction", "FromIterable"]

T = TypeVar("T")


@dataclass(frozen=True)
class FromIterable(Source[T]):
    """The values of a plain or async iterable, or of one that a function without arguments makes.

    A container, or a function, can be read again; an iterator once. What was made for the run is closed with it, and so
    is a generator. Any other iterator that was given (a file, say) belongs to whoever gave it, and is left open.

    Args:
        iterable: what to read.
    """

    kind: ClassVar[str] = "from_iterable"

    iterable: Iterable[T] | AsyncIterable[T] | Callable[[], Iterable[T] | AsyncIterable[T]]
    # Whether a run has begun to read an iterator; shared by all runs.
    _read: list[bool] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        if is_iterable(self.iterable) or isinstance(self.iterable, AsyncIterable):
            return
        if not callable(self.iterable):
            raise InvalidOperator(
                f"from_iterable: {shorten(self.iterable)} is a {type(self.iterable).__name__}, which cannot be "
                f"iterated; give a list, a generator, an async generator, or a function without arguments that makes "
                f"one"
            )
        target = user_function(self.iterable, owner="from_iterable", base=SourceFunction, method="run", arity=0)
        _check_yields(target, "from_iterable")

    @property
    def replayable(self) -> bool:  # type: ignore[override]  # a constant there, computed here
        """False for iterators: what was read is gone."""
        return not isinstance(self.iterable, Iterator | AsyncIterator)

    @property
    def label(self) -> str:
        """The function's name, if it is one."""
        return label_of(self.iterable) if callable(self.iterable) else ""

    def build(self) -> SourceLogic[T]:
        """See `Source.build`."""
        if not self.replayable:
            if self._read:
                raise NotReplayable(
                    f"from_iterable: {shorten(self.iterable)} was read by an earlier run and cannot be read again; "
                    f"give a list, or the function that makes the iterator"
                )
            self._read.append(True)
        if isinstance(self.iterable, Iterable | AsyncIterable):
            return _logic(self.iterable, owned=False)
        return _Made(BoundFunction(self.iterable, None))


@dataclass(frozen=True)
class FromFunction(Source[T]):
    """The records of a `SourceFunction`.

    Args:
        function: an instance, or the class, which is then made without arguments.
    """

    kind: ClassVar[str] = "from_source"

    function: SourceFunction[T] | type[SourceFunction[T]]

    def __post_init__(self) -> None:
        kind = self.function if isinstance(self.function, type) else type(self.function)
        if not issubclass(kind, SourceFunction):
            raise InvalidOperator(
                f"from_source: {shorten(self.function)} is neither a sage.SourceFunction nor one of sage.sources; "
                f"for lists, generators and functions that make them write from_iterable(...)"
            )
        _check_yields(self._target, "from_source")

    @functools.cached_property
    def _target(self) -> UserFunction:
        return user_function(self.function, owner="from_source", base=SourceFunction, method="run", arity=0)

    @property
    def label(self) -> str:
        """The class's name."""
        return self._target.label

    def build(self) -> SourceLogic[T]:
        """See `Source.build`."""
        return _Made(self._target.bind(0, 1))


class _Containers(SourceLogic[T], PullReader[T]):
    """Slices a sequence: the quickest way to batches."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self._next = 0

    async def open(self, context: Any) -> PullReader[T]:
        return self

    def read(self, limit: int) -> list[T]:
        start = self._next
        self._next += limit
        piece = self._values[start : self._next]
        return piece if type(piece) is list else list(piece)


class _Iterated(SourceLogic[T], PullReader[T]):
    """Reads an iterator, in pieces that keep within the budget."""

    def __init__(self, values: Iterable[T], owned: bool) -> None:
        self._values = iter(values)
        self._owned = owned or self._values is not values or isinstance(values, Generator)
        self._pace: Pace
        # Raised at the next read: what was made before it comes first.
        self._error: Exception | None = None

    async def open(self, context: Any) -> PullReader[T]:
        self._pace = Pace(context.budget, context.batch_size)
        return self

    def read(self, limit: int) -> list[T]:
        if self._error is not None:
            raise self._error
        start = perf_counter()
        values: list[T] = []
        try:
            values.extend(islice(self._values, min(limit, self._pace.size)))
        except Exception as error:
            if not values:
                raise
            self._error = error
        self._pace.took(len(values), perf_counter() - start)
        return values

    async def close(self) -> None:
        close = getattr(self._values, "close", None)
        if close is not None and self._owned:  # a generator: let its `finally` run now, not when it is collected
            close()


class _AsyncIterated(SourceLogic[T], PushReader[T]):
    def __init__(self, values: AsyncIterable[T], owned: bool) -> None:
        self._values = values
        self._owned = owned

    async def open(self, context: Any) -> PushReader[T]:
        return self

    async def run(self, outlet: Outlet[T]) -> None:
        values: Any = aiter(self._values)
        owned = self._owned or values is not self._values or isinstance(values, AsyncGenerator)
        if owned and hasattr(values, "aclose"):
            async with aclosing(values):
                await self._pump(values, outlet)
        else:
            await self._pump(values, outlet)

    async def _pump(self, values: AsyncIterator[T], outlet: Outlet[T]) -> None:
        async for value in values:
            if not outlet.put(value):
                await outlet.room()


class _Made(SourceLogic[T]):
    """What a function makes when the run begins. A function class is opened first and closed last."""

    def __init__(self, function: BoundFunction) -> None:
        self._function = function
        self._made: SourceLogic[T] | None = None

    async def open(self, context: Any) -> PullReader[T] | PushReader[T]:
        await self._function.open(context)
        values = self._function.call()
        if not (is_iterable(values) or isinstance(values, AsyncIterable)):
            refuse_awaitable(values, context.name)
            raise InvalidOperator(
                f"{context.name}: the function made {shorten(values)}, a {type(values).__name__}, "
                f"which cannot be iterated; return a list, a generator or an async generator"
            )
        self._made = _logic(values, owned=True)
        return await self._made.open(context)

    async def close(self) -> None:
        try:
            if self._made is not None:
                await self._made.close()
        finally:
            await self._function.close()


def _check_yields(target: UserFunction, owner: str) -> None:
    if target.shape is Shape.ASYNC:
        raise InvalidOperator(
            f"{owner}: {target.label or 'the function'} is async but does not yield; yield its records one by one, "
            f"or return them from a plain function"
        )


def _logic(values: Iterable[T] | AsyncIterable[T], *, owned: bool) -> SourceLogic[T]:
    if isinstance(values, AsyncIterable):
        return _AsyncIterated(values, owned)
    if isinstance(values, list | tuple | range | str | bytes):
        return _Containers(values)
    return _Iterated(values, owned)
