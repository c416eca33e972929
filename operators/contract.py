"""What an operator is: a description that the graph holds, and a logic built from it for each subtask.

A *description* (`Operator`) is frozen and can be pickled. A *logic* holds the state of one subtask. Whoever runs it
calls it from one task only, so a logic never needs a lock::

    open ── process* ── flush ── end ── close
                │
                ├─ on_timer     a timer it has set is due
                ├─ collect      it called `context.wake()`: something finished on its own
                ├─ on_watermark event time went on
                └─ flush        give out what is held back for company (a batch not full yet)

All of these but `open` and `close` are plain functions that return *emissions*: an iterable, most often a generator, of

* a `Batch`: records for the main output,
* `Tagged(name, batch)`: records for a side output,
* `Wait(seconds)`: do not go on with this iterable before so much time has passed,
* a `Watermark`: only from `collect`, by logics that hold watermarks back behind records in flight.

The runner takes one emission at a time and may wait between two of them, for room downstream or because its
share of time is used up. So a logic that makes many records from one cuts them into batches of at most
`context.batch_size`, and never needs to know of channels, tasks or backpressure. A test runs it the same way, without
any of these: see `sage.testing.OperatorHarness`.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from sage.operators.elements import Batch, Watermark

__all__ = ["Context", "Emission", "Emissions", "Emit", "Logic", "Operator", "Tagged", "TimerHandle", "Wait"]

In = TypeVar("In")
Out = TypeVar("Out")


class Tagged(NamedTuple):
    """Records for the side output called `output`."""

    output: str
    batch: Batch[Any]


class Wait(NamedTuple):
    """Go on with this iterable only after so many seconds; later input waits as well, so order is kept."""

    seconds: float


Emission = Batch[Any] | Tagged | Wait | Watermark
Emissions = Iterable[Emission]

#: When an aggregate gives its result: a running one with each record, or the final one at the end of the input.
Emit = Literal["each", "end"]


class TimerHandle(Protocol):
    """A timer that was set."""

    def cancel(self) -> None:
        """Forget the timer; harmless when it was due already."""
        ...


class Context(Protocol):
    """What a logic may ask of whoever runs it."""

    @property
    def name(self) -> str:
        """The operator's name, as in the graph."""
        ...

    @property
    def subtask_index(self) -> int:
        """Which of the parallel instances this is, from 0."""
        ...

    @property
    def parallelism(self) -> int:
        """How many parallel instances there are."""
        ...

    @property
    def position(self) -> int:
        """Where the operator stands in the graph: behind all those with lower numbers that it reads from."""
        ...

    @property
    def batch_size(self) -> int:
        """How many records a batch may hold at most."""
        ...

    @property
    def logger(self) -> logging.Logger:
        """A logger named after the operator."""
        ...

    @property
    def budget(self) -> float:
        """Seconds that may be worked without giving way to others."""
        ...

    def now(self) -> float:
        """Processing time: seconds since the epoch, by the runner's clock."""
        ...

    def wake(self) -> None:
        """Have `collect` called soon, from the logic's own task. May be called from any task of the same loop."""
        ...

    def set_timer(self, at: float, tag: Any = None) -> TimerHandle:
        """Have `on_timer(tag)` called when processing time reaches `at` (seconds since the epoch)."""
        ...


class Logic(ABC):
    """One subtask of an operator, seen from inside. The module's text tells the order of calls."""

    #: Set by a logic that wants nothing more (`take`): the runner ends it and tells its upstream.
    finished: bool = False
    #: Whether the runner does not cut a batch into pieces for it, because `process` only files the records away.
    takes_whole_batches: bool = False
    #: Whether it keeps records of calls beyond `process`, and lets go of each itself (`sage.operators.calls`).
    holds_calls: bool = False

    @property
    def has_room(self) -> bool:
        """Whether `process` may be called with more records now. `context.wake()` tells that this may have changed."""
        return True

    @property
    def pending(self) -> bool:
        """Whether work on records taken still goes on (asynchronous calls). The end is not told before it is done."""
        return False

    async def open(self, context: Any) -> None:
        """Get ready; called once, before anything else.

        Cancel safety: when cancelled, `close` is called.
        """

    @abstractmethod
    def process(self, batch: Batch[Any], port: int) -> Emissions:
        """Work on a batch that arrived at input `port` (0 unless the operator has several inputs)."""

    def on_timer(self, tag: Any) -> Emissions:
        """A timer set with `tag` is due."""
        return ()

    def on_watermark(self, watermark: Watermark) -> Emissions:
        """No record earlier than this is expected. What is emitted here goes out before the watermark itself."""
        return ()

    def keeps_watermark(self, watermark: Watermark) -> bool:
        """Whether the logic emits this watermark itself, later, from `collect` (it has earlier records in flight)."""
        return False

    def collect(self) -> Emissions:
        """Give out what finished on its own since the last time."""
        return ()

    def flush(self) -> Emissions:
        """Give out what is held back only for company, such as a batch that is not full yet."""
        return ()

    def end(self) -> Emissions:
        """The input has ended and nothing is pending: give out final results."""
        return ()

    async def close(self) -> None:
        """Let go of everything; called once, also after an error or a cancellation.

        Cancel safety: the runner shields it from the job's own cancellation.
        """


class Operator(ABC, Generic[In, Out]):
    """A description of one step: a frozen dataclass that can be pickled.

    Constructing one checks every value and raises `InvalidOperator` that says what to write instead.
    """

    #: What the step is called when the user gives no name.
    kind: ClassVar[str]
    #: Whether results come only at the end of the input: not possible inside a feedback loop.
    emits_at_end: bool = False
    #: How many inputs there are, each with a port of its own.
    ports: ClassVar[int] = 1
    #: The side outputs whose names are known beforehand; `None` when any name may be used.
    side_outputs: tuple[str, ...] | None = ()

    @abstractmethod
    def build(self, subtask: int, parallelism: int) -> Logic:
        """Make the logic of one subtask."""
