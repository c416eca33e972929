"""Spreads the records of a batch over the subtasks that read an edge."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from sage.errors import GraphError
from sage.graph.partitioning import Broadcast, Custom, Hash, Partitioning
from sage.operators.elements import Batch
from sage.operators.errors import RecordFailed
from sage.runtime.keys import key_group, subtask_of_group

__all__ = ["Partitioner", "partitioner"]

_CACHED_KEYS = 65_536


class Partitioner(ABC):
    """Picks targets: pure, but for what it remembers to be quicker or to take turns."""

    def __init__(self, targets: int) -> None:
        self.targets = targets

    @abstractmethod
    def split(self, batch: Batch[Any]) -> Iterable[tuple[int, Batch[Any]]]:
        """The parts of a batch, each with the target that it goes to; order is kept in each."""


class _One(Partitioner):
    def split(self, batch: Batch[Any]) -> Iterable[tuple[int, Batch[Any]]]:
        return ((0, batch),)


class _RoundRobin(Partitioner):
    def __init__(self, targets: int) -> None:
        super().__init__(targets)
        self._next = 0

    def split(self, batch: Batch[Any]) -> Iterable[tuple[int, Batch[Any]]]:
        first, targets = self._next, self.targets
        self._next = (first + len(batch)) % targets
        if len(batch) == 1:
            return ((first, batch),)
        return [((first + turn) % targets, batch.stride(turn, targets)) for turn in range(min(targets, len(batch)))]


class _ToAll(Partitioner):
    def split(self, batch: Batch[Any]) -> Iterable[tuple[int, Batch[Any]]]:
        return [(target, batch) for target in range(self.targets)]


class _Chosen(Partitioner):
    """Each record to a target of its own."""

    def split(self, batch: Batch[Any]) -> Iterable[tuple[int, Batch[Any]]]:
        targets = self.choose(batch)
        first = targets[0]
        if targets.count(first) == len(targets):
            return ((first, batch),)
        rows: list[list[int]] = [[] for _ in range(self.targets)]
        for row, target in enumerate(targets):
            rows[target].append(row)
        return [(target, batch.take(mine)) for target, mine in enumerate(rows) if mine]

    @abstractmethod
    def choose(self, batch: Batch[Any]) -> list[int]:
        """The target of each record."""


class _ByKey(_Chosen):
    def __init__(self, targets: int) -> None:
        super().__init__(targets)
        # Keys that are equal are one entry, and have one hash: see `keys`.
        self._known: dict[Any, int] = {}

    def choose(self, batch: Batch[Any]) -> list[int]:
        keys = batch.keys
        if keys is None:
            raise GraphError("records without keys came to an edge that spreads them by key")
        known = self._known
        try:
            return [known[key] for key in keys]
        except (KeyError, TypeError):  # one that is new, or one that cannot be hashed
            return [self._learn(key, batch, row) for row, key in enumerate(keys)]

    def _learn(self, key: Any, batch: Batch[Any], row: int) -> int:
        try:
            target = self._known.get(key)
            if target is None:
                if len(self._known) >= _CACHED_KEYS:
                    self._known.clear()
                target = self._known[key] = subtask_of_group(key_group(key), self.targets)
        except (GraphError, TypeError) as error:
            raise RecordFailed(batch.values[row], _explained(key, error)) from error
        return target


class _ByChoice(_Chosen):
    def __init__(self, targets: int, choice: Custom) -> None:
        super().__init__(targets)
        self._choice = choice

    def choose(self, batch: Batch[Any]) -> list[int]:
        return [self._checked(value) for value in batch.values]

    def _checked(self, value: Any) -> int:
        try:
            target = self._choice.choose(value, self.targets)
            if not isinstance(target, int) or not 0 <= target < self.targets:
                raise GraphError(
                    f"partition: the function chose subtask {target!r} of {self.targets}; "
                    f"return a number from 0 to {self.targets - 1}"
                )
        except Exception as error:
            raise RecordFailed(value, error, step="partition") from error
        return target


def _explained(key: Any, error: Exception) -> Exception:
    """Why there is no subtask for a key, in the words of `key_group` if it has any."""
    try:
        key_group(key)
    except GraphError as told:
        return told
    return error


def partitioner(partitioning: Partitioning, targets: int) -> Partitioner:
    """The partitioner of one sending subtask that has channels to `targets` subtasks."""
    if targets == 1 and not isinstance(partitioning, Custom):
        return _One(1)
    if isinstance(partitioning, Hash):
        return _ByKey(targets)
    if isinstance(partitioning, Broadcast):
        return _ToAll(targets)
    if isinstance(partitioning, Custom):
        return _ByChoice(targets, partitioning)
    return _RoundRobin(targets)
