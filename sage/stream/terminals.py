"""Where streams end: sinks, lists, iteration."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sage import operators
from sage.errors import GraphError
from sage.operators.contract import Operator
from sage.operators.functions import SinkFunction
from sage.refusal import described
from sage.stream.base import BaseStream
from sage.stream.collected import Collected
from sage.stream.options import CallOptions, Unpack, split_options

if TYPE_CHECKING:
    from sage.stream.records import Records

__all__ = ["Terminals"]

T = TypeVar("T")


class Terminals(BaseStream[T]):
    """The part of a stream that delivers."""

    def sink(
        self,
        function: Callable[[T], Any] | SinkFunction[T] | type[SinkFunction[T]] | Operator[T, Any],
        **options: Unpack[CallOptions],
    ) -> None:
        """Deliver each record.

        Args:
            function: called for each record, plain or async (then one call at a time unless `concurrency` says more);
                a `SinkFunction`; or one of `sage.sinks`.
            options: see `CallOptions`.

        Raises:
            GraphError: it cannot be used that way.
        """
        placed, calling = split_options(options)
        if not isinstance(function, Operator):
            _refuse_class(function)
            function = described(operators.Sink, function, **calling)
        elif calling:
            raise GraphError(f"sink: {function.kind} takes no {', '.join(calling)}; write name and parallelism at most")
        self._append(function, **placed, delivers=True)

    def reply(self, *, name: str | None = None) -> None:
        """Send each record back to whoever made the request that it comes from; see `Environment.endpoint`.

        Raises:
            GraphError: the name is taken.
        """
        self._append(operators.Reply(), name=name, delivers=True)

    def print(self, prefix: str = "", *, name: str | None = None) -> None:
        """Print each record, after `prefix`."""
        self._append(described(operators.Print, prefix), name=name, delivers=True)

    def collect(self, *, name: str | None = None) -> Collected[T]:
        """Collect the records in a list, whose `values` are there as the job runs."""
        collected: Collected[T] = Collected()
        self._append(operators.Collect(collected.values, anew=True), name=name, delivers=True)
        return collected

    async def to_list(self) -> list[T]:
        """Run the program to its end and return the records. Only this run has the list that they go to.

        Cancel safety: cancelling it cancels the job.

        Raises:
            JobFailed: an operator failed.
        """
        values: list[T] = []
        await self._delivered_to(operators.Collect(values)).run()
        return values

    def open(self) -> "Records[T]":
        """Run the program and iterate over the records as they come: ``async with stream.open() as records``.

        Leaving the block cancels what still runs. A reader that is slow holds up the stream. Each block is a run of its
        own.
        """
        from sage.stream.records import Records  # loaded with jobs, when they are needed

        return Records(lambda sink: self._delivered_to(sink).start())


def _refuse_class(function: object) -> None:
    if isinstance(function, type) and issubclass(function, Operator):
        raise GraphError(f"sink: {function.__name__} describes a sink; make one, as in sink(sage.sinks.file(path))")
