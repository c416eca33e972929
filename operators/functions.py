"""Function classes: for what needs to be opened and closed, or keeps state of its own.

A plain function is enough for most steps. A class has a life cycle::

    open(context) ── map(value)* ── close()

Each subtask has an instance of its own: an instance given to an operator of parallelism 1 is used as it is, otherwise
each subtask gets a deep copy; a class is instantiated without arguments, once for each subtask.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Iterable
from typing import Any, Generic, Protocol, TypeVar

__all__ = [
    "CoMapFunction",
    "FilterFunction",
    "FlatMapFunction",
    "Function",
    "FunctionContext",
    "MapFunction",
    "ProcessFunction",
    "SinkFunction",
    "SourceFunction",
]

In = TypeVar("In")
Left = TypeVar("Left")
Right = TypeVar("Right")
Out = TypeVar("Out")


class FunctionContext(Protocol):
    """What a function class may ask of its surroundings while it is open."""

    @property
    def name(self) -> str:
        """The operator's name, as in the graph."""
        ...

    @property
    def logger(self) -> logging.Logger:
        """A logger named after the operator."""
        ...

    @property
    def subtask_index(self) -> int:
        """Which of the parallel instances this is, from 0."""
        ...

    @property
    def parallelism(self) -> int:
        """How many parallel instances there are."""
        ...

    async def call_service(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a registered service and return its answer.

        Cancel safety: cancelling the call cancels it at the service.
        """
        ...

    def call_service_async(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Start the call and return a task to await."""
        ...


class Function(ABC):  # noqa: B024  # the classes derived from it have abstract methods
    """Root of all function classes; `open` and `close` may be plain or async methods."""

    _context: FunctionContext | None = None

    @property
    def context(self) -> FunctionContext:
        """What the runtime lends, between `open` and `close`.

        Raises:
            RuntimeError: outside of that time.
        """
        if self._context is None:
            raise RuntimeError(f"{type(self).__name__}.context is there from open() to close() only")
        return self._context

    @property
    def name(self) -> str:
        """The operator's name, as in the graph."""
        return self.context.name

    @property
    def logger(self) -> logging.Logger:
        """A logger named after the operator."""
        return self.context.logger

    async def call_service(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a registered service and return its answer.

        Cancel safety: cancelling the call cancels it at the service.
        """
        return await self.context.call_service(service, method, *args, **kwargs)

    def call_service_async(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Start the call and return a task to await."""
        return self.context.call_service_async(service, method, *args, **kwargs)

    def open(self, context: Any) -> Any:
        """Get ready; called once before the first record. May be an async method."""

    def close(self) -> Any:
        """Let go of everything; called once, at the end, after an error or a cancellation. May be an async method."""


class MapFunction(Function, Generic[In, Out]):
    """One result for each record."""

    @abstractmethod
    def map(self, value: In) -> Any:
        """Return the result; may be an async method."""


class FilterFunction(Function, Generic[In]):
    """Keeps some of the records."""

    @abstractmethod
    def filter(self, value: In) -> Any:
        """Tell whether to keep the record; may be an async method."""


class FlatMapFunction(Function, Generic[In, Out]):
    """Any number of results for each record."""

    @abstractmethod
    def flat_map(self, value: In) -> Any:
        """Return or yield the results; may be a generator, an async method or an async generator."""


class CoMapFunction(Function, Generic[Left, Right, Out]):
    """One result for each record of two connected streams, which may be of different types."""

    @abstractmethod
    def map1(self, value: Left) -> Any:
        """Return the result for a record of the first stream; may be an async method."""

    @abstractmethod
    def map2(self, value: Right) -> Any:
        """Return the result for a record of the second stream; may be an async method."""


class ProcessFunction(Function, Generic[In, Out]):
    """The most general step: emits what it likes, when it likes, also to side outputs and by timers."""

    @abstractmethod
    def process(self, value: In, ctx: Any) -> Any:
        """Work on one record; results go out by ``ctx.emit``. May be an async method."""

    def on_timer(self, timestamp: float, ctx: Any) -> Any:
        """A timer set for `timestamp` (seconds since the epoch) is due. May be an async method."""


class SinkFunction(Function, Generic[In]):
    """Delivers records to the outside."""

    @abstractmethod
    def sink(self, value: In) -> Any:
        """Deliver one record; may be an async method."""


class SourceFunction(Function, Generic[Out]):
    """Produces records."""

    @abstractmethod
    def run(self) -> Iterable[Out] | AsyncIterable[Out]:
        """Return or yield the records; may be a generator or an async generator.

        It is asked for more only while there is room downstream. A drain closes the generator.
        """
