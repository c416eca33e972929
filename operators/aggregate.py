"""Many records to one result: counts, sums, smallest and largest, and what a function of the user's makes of them."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.aggregating import Aggregate, AggregateLogic, MeasuredLogic
from sage.operators.callables import label_of
from sage.operators.contract import Logic
from sage.operators.errors import InvalidOperator, shorten
from sage.operators.plain import plain_function, same
from sage.operators.totals import ALONE, Counts, MeasuredSums, Sums, Totals

__all__ = ["Count", "Fold", "Max", "Min", "Reduce", "Sum"]

In = TypeVar("In")
Out = TypeVar("Out")

# What makes an empty one of what people begin with.
_EMPTY = {"[]": "list", "{}": "dict", "set()": "set", "bytearray(b'')": "bytearray", "Counter()": "Counter"}


@dataclass(frozen=True)
class Fold(Aggregate[In, Out]):
    """The accumulator that `step` makes from the last one and each record.

    Args:
        initial: where the accumulator of each key starts: a value that never changes, or a function without arguments
            that makes one.
        step: called with the accumulator and a record; returns the next accumulator. It may change, and return, one
            that `initial` made. With ``emit="each"`` it gets a (shallow) copy of such a one, so that what was emitted
            stays as it was, and so does the accumulator when `step` fails; with ``emit="end"`` there is no copy, and it
            should fail before it changes anything.
    """

    kind: ClassVar[str] = "fold"

    initial: Out | Callable[[], Out]
    step: Callable[[Out, In], Out]

    def __post_init__(self) -> None:
        super().__post_init__()
        plain_function(self.step, owner="fold", arity=2)
        if callable(self.initial):
            plain_function(self.initial, owner="fold: initial", arity=0)
        elif type(self.initial).__hash__ is None:  # as good as saying that it can be changed
            shown = shorten(self.initial)
            make = _EMPTY.get(shown, f"lambda: {shown}")
            raise InvalidOperator(f"fold: all keys would share initial={shown}; write initial={make}")

    @property
    def label(self) -> str:
        """See `Aggregate.label`."""
        return label_of(self.step)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        initial: Any = self.initial
        step: Callable[[Any, Any], Any] = self.step
        start: Callable[[], Any] = initial if callable(initial) else lambda: initial
        if callable(initial) and self.emit == "each":
            step = _on_a_copy(step)
        totals = Totals(step, lambda value: step(start(), value))
        if not self.keyed:
            totals.by_key[ALONE] = start()
        return AggregateLogic(self, totals)


def _on_a_copy(step: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda total, value: step(copy.copy(total), value)


@dataclass(frozen=True)
class Reduce(Aggregate[In, In]):
    """The records combined, two at a time; the first record is the first result.

    Args:
        function: called with the result so far and a record; returns the next result, and changes neither.
    """

    kind: ClassVar[str] = "reduce"

    function: Callable[[In, In], In]

    def __post_init__(self) -> None:
        super().__post_init__()
        plain_function(self.function, owner="reduce", arity=2)

    @property
    def label(self) -> str:
        """See `Aggregate.label`."""
        return label_of(self.function)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return AggregateLogic(self, Totals(self.function, same))


@dataclass(frozen=True)
class Count(Aggregate[In, Any]):
    """How many records there are."""

    kind: ClassVar[str] = "count"

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return AggregateLogic(self, Counts(final=self.emit == "end"), empty=(0,))


@dataclass(frozen=True)
class Sum(Aggregate[In, Any]):
    """The records, or what `of` returns for them, added up; of no records it is 0.

    Args:
        of: what is added for a record; `None` for the record itself. Anything with a ``+`` will do.
    """

    kind: ClassVar[str] = "sum"

    of: Callable[[In], Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of is not None:
            plain_function(self.of, owner="sum: of")

    @property
    def label(self) -> str:
        """See `Aggregate.label`."""
        return "" if self.of is None else label_of(self.of)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        if self.keyed and self.of is not None:
            return AggregateLogic(self, MeasuredSums(self.of), empty=(0,))
        return AggregateLogic(self, Sums(), measure=self.of, empty=(0,))


@dataclass(frozen=True)
class _Extreme(Aggregate[In, Any]):
    #: Return the better one of two, the first if neither is: of records, and of pairs of a measure and its record.
    steps: ClassVar[tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]]

    by: Callable[[In], Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by is not None:
            plain_function(self.by, owner=f"{self.kind}: by")

    @property
    def label(self) -> str:
        """See `Aggregate.label`."""
        return "" if self.by is None else label_of(self.by)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        better, better_measured = self.steps
        if self.by is None:
            return AggregateLogic(self, Totals(better, same))
        return MeasuredLogic(self, Totals(better_measured, same), measure=self.by)


@dataclass(frozen=True)
class Min(_Extreme[In]):
    """The smallest record, or the one for which `by` returns the smallest; the first of equal ones.

    Args:
        by: what is compared; `None` for the record itself. Anything with a ``<`` will do.
    """

    kind: ClassVar[str] = "min"
    steps = (
        lambda old, new: new if new < old else old,  # noqa: FURB136  # 1.4 times as quick as `min`
        lambda old, new: new if new[0] < old[0] else old,
    )


@dataclass(frozen=True)
class Max(_Extreme[In]):
    """The largest record, or the one for which `by` returns the largest; the first of equal ones.

    Args:
        by: what is compared; `None` for the record itself. Anything with a ``>`` will do.
    """

    kind: ClassVar[str] = "max"
    steps = (
        lambda old, new: new if new > old else old,  # noqa: FURB136  # 1.4 times as quick as `max`
        lambda old, new: new if new[0] > old[0] else old,
    )
