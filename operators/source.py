"""Sources: where records come from.

A source is described by a frozen `Source`; each run builds a logic from it, which opens a reader of one of two kinds:

* `PullReader`: records are there when asked for (containers, plain iterators). The runner asks for a batch when there
  is room.
* `PushReader`: records come when they come (async iterators, timers, files read in threads). It runs as a task of its
  own and fills an `Outlet`, which the runner empties when there is room; while the outlet is full, the reader waits.

Either way nobody waits to fill a batch, and a slow pipeline is felt by the source.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from sage.operators.elements import Batch
from sage.operators.turn import Turn

__all__ = ["Outlet", "PullReader", "PushReader", "Source", "SourceLogic"]

T = TypeVar("T")


class PullReader(ABC, Generic[T]):
    """Gives records when asked."""

    @abstractmethod
    def read(self, limit: int) -> list[T]:
        """Return at most `limit` records that can be had quickly (in about `Context.budget`); none at the end."""


class PushReader(ABC, Generic[T]):
    """Produces records on its own."""

    @abstractmethod
    async def run(self, outlet: "Outlet[T]") -> None:
        """Put records into `outlet` until there are no more.

        Cancel safety: a drain or a cancelled job cancels it; what was put before is kept.
        """


class SourceLogic(ABC, Generic[T]):
    """A source at run time: opened, read, closed."""

    @abstractmethod
    async def open(self, context: Any) -> PullReader[T] | PushReader[T]:
        """Get ready; return what the records are read from (most often the logic itself). Called once.

        Cancel safety: when cancelled, `close` is called.
        """

    def batch(self, values: list[T]) -> Batch[Any]:
        """What was read as a batch of records."""
        return Batch(values)

    async def close(self) -> None:
        """Let go of everything; called once, at the end, at a drain, after an error or a cancellation, also of `open`.

        Cancel safety: the runner shields it from the job's own cancellation.
        """


class Outlet(Generic[T]):
    """Where a `PushReader` puts its records until the runner takes them.

    Args:
        limit: how many records wait here at most.
        budget: seconds that the producer may go on without giving way to others.
        wake: called when records have arrived that the runner shall take.
        pass_on: sends a record on at once if nothing is in its way, and tells whether it did; so a record that comes
            alone does not wait for the runner's task.
    """

    __slots__ = ("_closed", "_limit", "_loop", "_number", "_pass_on", "_taken", "_turn", "_values", "_wake")

    def __init__(
        self, limit: int, budget: float, wake: Callable[[], None], pass_on: Callable[[T], bool] | None = None
    ) -> None:
        self._limit = limit
        self._wake = wake
        self._pass_on = pass_on
        self._values: list[T] = []
        self._loop = asyncio.get_running_loop()
        self._turn = Turn(budget)
        # The turn in which the last record came.
        self._number = -1
        # Set while the producer waits for room.
        self._taken: asyncio.Future[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._values)

    def put(self, value: T) -> bool:
        """Add a record; return whether the producer may go on without `room`."""
        values = self._values
        number = self._turn.begin()
        if number != self._number:
            self._number = number
            # The first record of a turn goes on at once; those that follow it in the same turn make a batch.
            if not values and self._pass_on is not None and self._pass_on(value):
                return True
        values.append(value)
        if len(values) == 1:
            self._wake()
        return len(values) < self._limit and not self._turn.used_up()

    def put_all(self, values: list[T]) -> None:
        """Add records that came together; wait for `room` after it."""
        if values:
            was_empty = not self._values
            self._values.extend(values)
            if was_empty:
                self._wake()

    async def room(self) -> None:
        """Give way to others, and wait while the outlet is full.

        Cancel safety: nothing is lost when cancelled.

        Raises:
            CancelledError: it is closed.
        """
        await self._turn.rest()
        while len(self._values) >= self._limit:
            if self._closed:
                raise asyncio.CancelledError("nobody wants more of this source")
            self._taken = self._loop.create_future()
            await self._taken

    def close(self) -> None:
        """Want nothing more. A producer that goes on although it was cancelled finds no room, and ends there."""
        self._closed = True
        self._limit = 0

    def take(self) -> list[T]:
        """Take all records that are there."""
        values, self._values = self._values, []
        if self._taken is not None and not self._taken.done():
            self._taken.set_result(None)
        return values


class Source(ABC, Generic[T]):
    """Describes where records come from: a frozen dataclass."""

    #: What the source is called when the user gives no name.
    kind: ClassVar[str]
    #: Whether it can be read from the start again, in another run.
    replayable: bool = True

    @property
    def label(self) -> str:
        """What it reads, for its name; may be empty."""
        return ""

    @abstractmethod
    def build(self) -> SourceLogic[T]:
        """Make the logic of one run.

        Raises:
            NotReplayable: the source can be read once only, and was.
        """
