"""A stream without keys: how it is spread over subtasks, and what it adds up to as a whole."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from sage import operators
from sage.graph import Broadcast, Custom, Forward, Partitioning, Rebalance, Rescale
from sage.operators.contract import Emit
from sage.refusal import described
from sage.stream.options import PolicyOption, Unpack
from sage.stream.transforms import Transforms

__all__ = ["Stream"]

T = TypeVar("T")
A = TypeVar("A")


class Stream(Transforms[T]):
    """A sequence of records, perhaps endless, described but not yet running.

    Methods that make a stream from it add an operator to the program; nothing runs before the program does.
    """

    # ---- how the next operator's subtasks get the records

    def forward(self) -> "Stream[T]":
        """From subtask to subtask of the same index; needs equal parallelism."""
        return self._spread_as(Forward())

    def rebalance(self) -> "Stream[T]":
        """Record by record to the next subtask, round robin."""
        return self._spread_as(Rebalance())

    def rescale(self) -> "Stream[T]":
        """Round robin, but from each subtask only to its own share of the receivers."""
        return self._spread_as(Rescale())

    def broadcast(self) -> "Stream[T]":
        """Every record to every subtask."""
        return self._spread_as(Broadcast())

    def partition(self, choose: Callable[[T, int], int]) -> "Stream[T]":
        """To the subtask that ``choose(value, parallelism)`` names, from 0.

        Raises:
            GraphError: `choose` is not a plain function of two arguments.
        """
        from sage.operators.plain import plain_function  # loaded when it is needed

        described(plain_function, choose, owner="partition", arity=2)
        return self._spread_as(Custom(choose))

    # ---- what all records together come to

    def count(self, *, emit: Emit = "each", name: str | None = None) -> "Stream[int]":
        """How many records there were: a running count, or with ``emit="end"`` the last one alone."""
        return self._then(described(operators.Count, keyed=False, emit=emit), name=name)

    def sum(
        self,
        of: Callable[[T], Any] | None = None,
        *,
        emit: Emit = "each",
        name: str | None = None,
        **policy: Unpack[PolicyOption],
    ) -> "Stream[Any]":
        """The sum of the records, or of what `of` returns for them: running, or at the end."""
        return self._then(described(operators.Sum, of, keyed=False, emit=emit, **policy), name=name)

    def min(
        self,
        by: Callable[[T], Any] | None = None,
        *,
        emit: Emit = "each",
        name: str | None = None,
        **policy: Unpack[PolicyOption],
    ) -> "Stream[T]":
        """The smallest record, or the one for which `by` is smallest (the first of equals): running, or at the end."""
        return self._then(described(operators.Min, by, keyed=False, emit=emit, **policy), name=name)

    def max(
        self,
        by: Callable[[T], Any] | None = None,
        *,
        emit: Emit = "each",
        name: str | None = None,
        **policy: Unpack[PolicyOption],
    ) -> "Stream[T]":
        """The largest record, or the one for which `by` is largest (the first of equals): running, or at the end."""
        return self._then(described(operators.Max, by, keyed=False, emit=emit, **policy), name=name)

    def reduce(
        self,
        function: Callable[[T, T], T],
        *,
        emit: Emit = "each",
        name: str | None = None,
        **policy: Unpack[PolicyOption],
    ) -> "Stream[T]":
        """Combine each record with the result so far: running, or at the end.

        Args:
            function: gets the result so far and the record; the first record is the first result.
            emit: ``"each"`` or ``"end"``.
            name: what the operator is called.
            policy: see `PolicyOption`.
        """
        return self._then(described(operators.Reduce, function, keyed=False, emit=emit, **policy), name=name)

    # A class is told apart first: it is a function that makes a value, and no value.
    @overload
    def fold(
        self,
        initial: Callable[[], A],
        function: Callable[[A, T], A],
        *,
        emit: Emit = "each",
        name: str | None = None,
        **policy: Unpack[PolicyOption],
    ) -> "Stream[A]": ...
    @overload
    def fold(
        self,
        initial: A | Callable[[], A],
        function: Callable[[A, T], A],
        *,
        emit: Emit = "each",
        name: str | None = None,
        **policy: Unpack[PolicyOption],
    ) -> "Stream[A]": ...
    def fold(
        self,
        initial: Any,
        function: Callable[[Any, T], Any],
        *,
        emit: Emit = "each",
        name: str | None = None,
        **policy: Unpack[PolicyOption],
    ) -> "Stream[Any]":
        """As `reduce`, from an initial value that may be of another type.

        Args:
            initial: the value, or a function without arguments that makes it (for lists and the like).
            function: gets the result so far and the record, and returns the next result.
            emit: ``"each"`` or ``"end"``.
            name: what the operator is called.
            policy: see `PolicyOption`.
        """
        return self._then(described(operators.Fold, initial, function, keyed=False, emit=emit, **policy), name=name)

    def distinct(
        self, by: Callable[[T], Any] | None = None, *, name: str | None = None, **policy: Unpack[PolicyOption]
    ) -> "Stream[T]":
        """The first of all records that are equal, or for which `by` is; all that was seen is remembered."""
        return self._then(described(operators.Distinct, by, keyed=False, **policy), name=name)

    def _spread_as(self, partitioning: Partitioning) -> "Stream[T]":
        return Stream(self._program, self._spread(partitioning))
