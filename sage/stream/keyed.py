"""A stream by key: what the records of each key come to."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from sage import operators
from sage.operators.contract import Emit
from sage.refusal import described
from sage.stream.options import PolicyOption, Unpack
from sage.stream.stream import Stream
from sage.stream.transforms import Transforms

__all__ = ["KeyedStream"]

K = TypeVar("K")
T = TypeVar("T")
A = TypeVar("A")


class KeyedStream(Transforms[T], Generic[K, T]):
    """Records whose equal keys go to the same subtask, in order. Aggregates give ``(key, result)``."""

    def count(self, *, emit: Emit = "each", name: str | None = None, parallelism: int = 1) -> Stream[tuple[K, int]]:
        """How many records each key had: a running count, or with ``emit="end"`` the last one alone."""
        return self._then(described(operators.Count, keyed=True, emit=emit), name=name, parallelism=parallelism)

    def sum(
        self,
        of: Callable[[T], Any] | None = None,
        *,
        emit: Emit = "each",
        name: str | None = None,
        parallelism: int = 1,
        **policy: Unpack[PolicyOption],
    ) -> Stream[tuple[K, Any]]:
        """The sum of each key's records, or of what `of` returns for them: running, or at the end."""
        return self._then(
            described(operators.Sum, of, keyed=True, emit=emit, **policy), name=name, parallelism=parallelism
        )

    def min(
        self,
        by: Callable[[T], Any] | None = None,
        *,
        emit: Emit = "each",
        name: str | None = None,
        parallelism: int = 1,
        **policy: Unpack[PolicyOption],
    ) -> Stream[tuple[K, T]]:
        """Each key's smallest record, or where `by` is smallest (the first of equals): running, or at the end."""
        return self._then(
            described(operators.Min, by, keyed=True, emit=emit, **policy), name=name, parallelism=parallelism
        )

    def max(
        self,
        by: Callable[[T], Any] | None = None,
        *,
        emit: Emit = "each",
        name: str | None = None,
        parallelism: int = 1,
        **policy: Unpack[PolicyOption],
    ) -> Stream[tuple[K, T]]:
        """Each key's largest record, or where `by` is largest (the first of equals): running, or at the end."""
        return self._then(
            described(operators.Max, by, keyed=True, emit=emit, **policy), name=name, parallelism=parallelism
        )

    def reduce(
        self,
        function: Callable[[T, T], T],
        *,
        emit: Emit = "each",
        name: str | None = None,
        parallelism: int = 1,
        **policy: Unpack[PolicyOption],
    ) -> Stream[tuple[K, T]]:
        """Combine each record with its key's result so far: running, or at the end.

        Args:
            function: gets the result so far and the record; a key's first record is its first result.
            emit: ``"each"`` or ``"end"``.
            name: what the operator is called.
            parallelism: into how many subtasks it is split.
            policy: see `PolicyOption`.
        """
        return self._then(
            described(operators.Reduce, function, keyed=True, emit=emit, **policy), name=name, parallelism=parallelism
        )

    # A class is told apart first: it is a function that makes a value, and no value.
    @overload
    def fold(
        self,
        initial: Callable[[], A],
        function: Callable[[A, T], A],
        *,
        emit: Emit = "each",
        name: str | None = None,
        parallelism: int = 1,
        **policy: Unpack[PolicyOption],
    ) -> Stream[tuple[K, A]]: ...
    @overload
    def fold(
        self,
        initial: A | Callable[[], A],
        function: Callable[[A, T], A],
        *,
        emit: Emit = "each",
        name: str | None = None,
        parallelism: int = 1,
        **policy: Unpack[PolicyOption],
    ) -> Stream[tuple[K, A]]: ...
    def fold(
        self,
        initial: Any,
        function: Callable[[Any, T], Any],
        *,
        emit: Emit = "each",
        name: str | None = None,
        parallelism: int = 1,
        **policy: Unpack[PolicyOption],
    ) -> Stream[tuple[K, Any]]:
        """As `reduce`, from an initial value that may be of another type.

        Args:
            initial: the value, or a function without arguments that makes it for each key (for lists and the like).
            function: gets the result so far and the record, and returns the next result.
            emit: ``"each"`` or ``"end"``.
            name: what the operator is called.
            parallelism: into how many subtasks it is split.
            policy: see `PolicyOption`.
        """
        operator = described(operators.Fold, initial, function, keyed=True, emit=emit, **policy)
        return self._then(operator, name=name, parallelism=parallelism)

    def distinct(
        self,
        by: Callable[[T], Any] | None = None,
        *,
        name: str | None = None,
        parallelism: int = 1,
        **policy: Unpack[PolicyOption],
    ) -> Stream[T]:
        """For each key the first of records that are equal, or for which `by` is; all that was seen is remembered."""
        return self._then(described(operators.Distinct, by, keyed=True, **policy), name=name, parallelism=parallelism)
