"""What all aggregates share: the description's options, and the logic that feeds their accumulators (`totals.py`).

Keyed aggregates keep one accumulator for each key and emit ``(key, result)``; others keep one for each subtask and emit
the result.

* ``emit="each"``: the result so far, for each record, with its timestamp and call.
* ``emit="end"``: the results at the end of the input, in order of first appearance of the keys. Each has the
  timestamp of the last record of its key, and belongs to no call: those are answered before the input ends.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice, repeat
from operator import length_hint
from typing import Any, TypeVar

from sage.operators.callables import BoundFunction
from sage.operators.contract import Emissions, Emit, Logic, Operator
from sage.operators.each import EachLogic
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, shorten
from sage.operators.plain import map_until_error, refuse_awaitable, same, visible
from sage.operators.policies import ErrorPolicy, Fail, check_policy, dead_letters
from sage.operators.totals import ALONE, Totals

__all__ = ["Aggregate", "AggregateLogic", "MeasuredLogic"]

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, kw_only=True)
class Aggregate(Operator[In, Out]):
    """What all aggregates share.

    Args:
        keyed: whether there is one result for each key; the input must be keyed then.
        emit: ``"each"`` for a running result with each record, ``"end"`` for the final ones.
        on_error: what is done with a record that cannot be taken in; it leaves the result as it was.
    """

    keyed: bool = False
    emit: Emit = "each"
    on_error: ErrorPolicy = field(default_factory=Fail)

    def __post_init__(self) -> None:
        if self.emit not in ("each", "end"):
            raise InvalidOperator(
                f"{self.kind}: emit={self.emit!r}: "
                f'write "each" for a running result with each record or "end" for the final ones'
            )
        check_policy(self.on_error, self.kind)

    @property
    def emits_at_end(self) -> bool:  # type: ignore[override]  # a constant there, computed here
        """Whether final results are asked for."""
        return self.emit == "end"

    @property
    def side_outputs(self) -> tuple[str, ...] | None:  # type: ignore[override]  # a constant there, computed here
        """The dead letters, if the policy sets records aside."""
        return dead_letters(self.on_error)

    @property
    def label(self) -> str:
        """The name of the user's function; empty if there is none or it is a lambda."""
        return ""

    @abstractmethod
    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""


class AggregateLogic(EachLogic):
    """Feeds `Totals` and gives out what they hold.

    Args:
        operator: the description.
        totals: the accumulators.
        measure: what is asked of each record first.
        empty: what a stream that is not keyed results in when it had no records; none or one.
    """

    def __init__(
        self,
        operator: Aggregate[Any, Any],
        totals: Totals,
        *,
        measure: Callable[[Any], Any] | None = None,
        empty: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(operator.on_error, BoundFunction(measure or same, None))
        self._totals = totals
        self._measure = measure
        self._keyed = operator.keyed
        self._emit = operator.emit
        self._empty = empty
        # The timestamp of the last record of each key, for final results.
        self._times: dict[Any, int] = {}
        self._checked = False

    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        """See `EachLogic.until_error`."""
        values, unmeasured = self._measured(batch.values)
        if unmeasured is not None:
            batch = batch.slice(0, len(values))
        take = self._take if self._emit == "end" else self._run
        emitted, done, error = take(batch, self.inputs(values, batch.values))
        if isinstance(error, TypeError) and self._keyed:
            error = _of_key(self._keys(batch)[done], error)
        if not self._checked and done:
            self._checked = True
            refuse_awaitable(
                values[0] if self._measure else next(iter(self._totals.by_key.values())), self.context.name
            )
        return emitted, done, unmeasured if error is None else error

    def end(self) -> Emissions:
        """See `Logic.end`."""
        if self._emit == "each":
            return
        totals, times = self._totals.by_key, self._times
        if not totals and not self._keyed:
            if self._empty:
                yield Batch(list(self._empty))
            return
        stamped = len(times) == len(totals)  # all records had one, or none had
        results = iter(totals.items())
        while piece := list(islice(results, self.context.batch_size)):
            shown = self.outputs(piece) if self._keyed else self.outputs_alone([total for _, total in piece])
            yield Batch(shown, None, [times[key] for key, _ in piece] if stamped else None)

    def inputs(self, measured: list[Any], records: list[Any]) -> list[Any]:
        """What the accumulators take in."""
        return measured

    def outputs(self, pairs: list[Any]) -> list[Any]:
        """What is emitted for pairs of key and accumulator."""
        return pairs

    def outputs_alone(self, totals: list[Any]) -> list[Any]:
        """What is emitted for accumulators without keys."""
        return totals

    def _measured(self, records: list[Any]) -> tuple[list[Any], Exception | None]:
        return (records, None) if self._measure is None else map_until_error(self._measure, records)

    def _run(self, batch: Batch[Any], inputs: list[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        results: list[Any] = []
        error: Exception | None = None
        keys = self._keys(batch) if self._keyed else None
        try:
            if keys is None:
                self._totals.alone(inputs, results)
            else:
                self._totals.running(keys, inputs, results)
        except Exception as raised:
            error = visible(raised)
        done = len(results)
        if error is None and done < len(inputs):
            error = RuntimeError("the function raised StopIteration")
        shown = self.outputs(results) if self._keyed else self.outputs_alone(results)
        done_batch = batch if done == len(batch) else batch.slice(0, done)
        return done_batch.derive(shown) if done else None, done, error

    def _take(self, batch: Batch[Any], inputs: list[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        if not self._keyed:
            done, error = self._run(batch, inputs)[1:]
            self._stamp(repeat(ALONE, done), batch)
            return None, done, error
        keys = self._keys(batch)
        left = iter(keys)
        failed: Exception | None = None
        try:
            self._totals.absorb(left, inputs)
        except Exception as raised:
            failed = visible(raised)
        done = len(keys) - length_hint(left) - (failed is not None)  # the hint is exact for a list
        self._stamp(islice(keys, done), batch)
        return None, done, failed

    def _stamp(self, keys: Any, batch: Batch[Any]) -> None:
        if batch.timestamps is not None:
            self._times.update(zip(keys, batch.timestamps, strict=False))

    def _keys(self, batch: Batch[Any]) -> list[Any]:
        if batch.keys is None:
            raise InvalidOperator(f"{self.context.name}: keyed, but its input has no keys; put a key_by(...) before it")
        return batch.keys


def _of_key(key: Any, error: TypeError) -> TypeError:
    """The error, in words that help if it is that the key cannot be looked up."""
    try:
        hash(key)
    except TypeError as unhashable:
        told = TypeError(
            f"{shorten(key)}, a {type(key).__name__}, cannot be a key, for it is not hashable ({unhashable}); "
            f"have key_by(...) return text, a number, or a tuple of these"
        )
        told.__cause__ = unhashable
        return told
    return error


class MeasuredLogic(AggregateLogic):
    """Its accumulators are pairs of what was measured and the record."""

    def inputs(self, measured: list[Any], records: list[Any]) -> list[Any]:
        """See `AggregateLogic.inputs`."""
        return list(zip(measured, records, strict=True))

    def outputs(self, pairs: list[Any]) -> list[Any]:
        """See `AggregateLogic.outputs`."""
        return [(key, record) for key, (_, record) in pairs]

    def outputs_alone(self, totals: list[Any]) -> list[Any]:
        """See `AggregateLogic.outputs_alone`."""
        return [record for _, record in totals]
