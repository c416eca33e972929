"""Fewer records, or slower: take, skip, distinct, throttle."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from sage.operators.callables import BoundFunction, label_of
from sage.operators.contract import Context, Emissions, Logic, Operator, Wait
from sage.operators.each import EachLogic
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, shorten
from sage.operators.numbers import is_count, is_number
from sage.operators.plain import map_until_error, plain_function, refuse_awaitable, same, visible
from sage.operators.policies import ErrorPolicy, Fail, check_policy, dead_letters

__all__ = ["Distinct", "Skip", "Take", "Throttle"]

T = TypeVar("T")


@dataclass(frozen=True)
class Take(Operator[T, T]):
    """The first `count` records of each subtask; then it wants no more."""

    kind: ClassVar[str] = "take"

    count: int

    def __post_init__(self) -> None:
        _check_count(self.kind, self.count)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _TakeLogic(self.count)


class _TakeLogic(Logic):
    def __init__(self, count: int) -> None:
        self._left = count

    async def open(self, context: Any) -> None:
        self.finished = not self._left

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        taken = batch if len(batch) <= self._left else batch.slice(0, self._left)
        if taken:
            self._left -= len(taken)
            yield taken
        self.finished = not self._left


@dataclass(frozen=True)
class Skip(Operator[T, T]):
    """All records of each subtask but its first `count`."""

    kind: ClassVar[str] = "skip"

    count: int

    def __post_init__(self) -> None:
        _check_count(self.kind, self.count)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _SkipLogic(self.count)


class _SkipLogic(Logic):
    def __init__(self, count: int) -> None:
        self._left = count

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        if not self._left:
            return (batch,)
        skipped = min(self._left, len(batch))
        self._left -= skipped
        return (batch.slice(skipped, len(batch)),) if skipped < len(batch) else ()


@dataclass(frozen=True)
class Distinct(Operator[T, T]):
    """The first of all records that are equal, or for which `by` returns equal values; all of these are remembered.

    Args:
        by: what is compared; `None` for the record itself. It must be hashable.
        keyed: whether records of different keys are never equal.
        on_error: what is done with a record that cannot be compared.
    """

    kind: ClassVar[str] = "distinct"

    by: Callable[[T], Any] | None = None
    keyed: bool = False
    on_error: ErrorPolicy = field(default_factory=Fail)

    def __post_init__(self) -> None:
        if self.by is not None:
            plain_function(self.by, owner="distinct: by")
        check_policy(self.on_error, self.kind)

    @property
    def label(self) -> str:
        """The function's name; empty if there is none or it is a lambda."""
        return "" if self.by is None else label_of(self.by)

    @property
    def side_outputs(self) -> tuple[str, ...] | None:  # type: ignore[override]  # a constant there, computed here
        """The dead letters, if the policy sets records aside."""
        return dead_letters(self.on_error)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _DistinctLogic(self)


class _DistinctLogic(EachLogic):
    def __init__(self, operator: Distinct[Any]) -> None:
        super().__init__(operator.on_error, BoundFunction(operator.by or same, None))
        self._by = operator.by
        self._keyed = operator.keyed
        self._seen: set[Any] = set()
        self._checked = False

    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        marks, error = self._marks(batch)
        try:
            fresh = set(marks) - self._seen
        except Exception:  # some mark cannot be hashed, or not be compared: which?
            marks, error = self._comparable(marks)
            fresh = set(marks) - self._seen
        done = len(marks)
        if not fresh:
            return None, done, error
        self._seen |= fresh
        if done < len(batch):
            batch = batch.slice(0, done)
        return batch if len(fresh) == done else batch.select(_first_of(fresh, marks)), done, error

    def _marks(self, batch: Batch[Any]) -> tuple[list[Any], Exception | None]:
        marks, error = (batch.values, None) if self._by is None else map_until_error(self._by, batch.values)
        if not self._checked and marks:
            self._checked = True
            refuse_awaitable(marks[0], self.context.name)
        if not self._keyed:
            return marks, error
        if batch.keys is None:
            raise InvalidOperator(f"{self.context.name}: keyed, but its input has no keys; put a key_by(...) before it")
        return list(zip(batch.keys, marks, strict=False)), error

    def _comparable(self, marks: list[Any]) -> tuple[list[Any], Exception]:
        """The marks before the first one that cannot be looked up, and why not."""
        seen: set[Any] = set()
        for row, mark in enumerate(marks):
            try:
                hash(mark)
            except Exception as error:
                return marks[:row], _unhashable(mark[1] if self._keyed else mark, error)
            try:
                if mark not in self._seen:
                    seen.add(mark)
            except Exception as error:
                return marks[:row], visible(error)
        raise RuntimeError(f"{self.context.name}: records compare now with an error and then without")


def _first_of(fresh: set[Any], marks: list[Any]) -> list[bool]:
    """Where each of `fresh`, which is used up, comes first."""
    mask: list[bool] = []
    for mark in marks:
        first = mark in fresh
        if first:
            fresh.remove(mark)
        mask.append(first)
    return mask


def _unhashable(mark: Any, error: Exception) -> TypeError:
    unhashable = TypeError(
        f"a {type(mark).__name__} cannot be remembered, for it is not hashable ({error}); "
        f'say what to compare, as in distinct(lambda record: record["id"])'
    )
    unhashable.__cause__ = error
    return unhashable


@dataclass(frozen=True)
class Throttle(Operator[T, T]):
    """Let records pass at a limited rate; the others wait (a token bucket, which is full at the beginning).

    Records that may pass pass together. No timer is finer than a millisecond or so: at more than a thousand records a
    second, those of a millisecond pass at its end.

    Args:
        rate: how many records may pass in a second, in each subtask.
        burst: how many may pass at once after a time in which none came.
    """

    kind: ClassVar[str] = "throttle"

    rate: float
    burst: int = 1

    def __post_init__(self) -> None:
        if not is_number(self.rate, beyond=True):
            raise InvalidOperator(f"throttle: rate={self.rate!r}: write how many records may pass in a second, above 0")
        if not is_count(self.burst):
            raise InvalidOperator(f"throttle: burst={self.burst!r}: write how many records may pass at once, 1 or more")

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _ThrottleLogic(self.rate, self.burst)


class _ThrottleLogic(Logic):
    # The shortest wait; and how late a timer may be without making the stream slower: seconds.
    _TICK = 0.001
    _LATE = 0.01
    # Part of a record that is forgiven: the time is a float.
    _ROUNDING = 0.001

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled: float
        self._context: Context

    async def open(self, context: Any) -> None:
        self._context = context
        self._filled = context.now()

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        passed = 0
        while passed < len(batch):
            self._fill(self._burst)
            while (allowed := int(self._tokens + self._ROUNDING)) < 1:
                yield Wait(max((1 - self._tokens) / self._rate, self._TICK))
                self._fill(max(self._burst, 1 + self._rate * self._LATE))
            passing = batch.slice(passed, passed + allowed) if passed or allowed < len(batch) else batch
            self._tokens -= len(passing)
            passed += len(passing)
            yield passing

    def _fill(self, limit: float) -> None:
        now = self._context.now()
        # What a late timer has brought beyond the burst is kept.
        self._tokens = max(self._tokens, min(limit, self._tokens + (now - self._filled) * self._rate))
        self._filled = now


def _check_count(owner: str, count: object) -> None:
    if not is_count(count, 0):
        raise InvalidOperator(f"{owner}: {shorten(count)}: write how many records, 0 or more")
