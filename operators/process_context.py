"""What a process function is lent for each record: how it emits, and its timers."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from math import inf
from typing import Any, NamedTuple

from sage.operators.calls import Call, alive, entered
from sage.operators.contract import Context, TimerHandle
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator
from sage.operators.numbers import is_number, seconds

__all__ = ["CallTimers", "Due", "ProcessContext", "Timers", "ToSide"]


class ToSide(NamedTuple):
    """A value on its way to a side output."""

    output: str
    value: Any


class Due:
    """A timer, in the place of a record. The other columns are those of the record that set it."""

    __slots__ = ("key", "when")

    def __init__(self, when: float, key: Any) -> None:
        self.when = when
        self.key = key

    def __repr__(self) -> str:
        return f"the timer for {self.when} of key {self.key!r}"


class ProcessContext:
    """What a process function may do with the record, or the timer, at hand. It is of use while the function runs only.

    Attributes:
        timers: sets timers for the record's key.
    """

    __slots__ = ("_batch", "_context", "_has_on_timer", "_of_calls", "_put", "_row", "_set", "timers")

    def __init__(self, context: Context, of_calls: "CallTimers", *, has_on_timer: bool) -> None:
        self._context = context
        self._of_calls = of_calls
        self._has_on_timer = has_on_timer
        # The record at hand; `None` between records.
        self._batch: Batch[Any] | None = None
        self._row = 0
        # Takes what is emitted.
        self._put: Callable[[Any], None]
        # The timers set for the record at hand.
        self._set: list[TimerHandle] = []
        self.timers = Timers(self)

    def emit(self, value: Any, output: str | None = None) -> None:
        """Emit a value, to the main output or the side output named. It has the timestamp of the record at hand.

        Raises:
            RuntimeError: the function has ended.
            TypeError: `output` is not a name.
        """
        if self._batch is None:
            raise _ended("emit")
        if output is None:
            self._put(value)
        elif isinstance(output, str):
            self._put(ToSide(output, value))
        else:
            raise TypeError(f"emit(..., output={output!r}): write the name of a side output, a str")

    @property
    def key(self) -> Any:
        """The key of the record, or of the record that set the timer; `None` if the stream is not keyed."""
        batch = self._at_hand("key")
        return None if batch.keys is None else batch.keys[self._row]

    @property
    def timestamp(self) -> float | None:
        """When the record (or the one that set the timer) happened, in seconds since the epoch; `None` if not known."""
        batch = self._at_hand("timestamp")
        return None if batch.timestamps is None else batch.timestamps[self._row] / 1_000_000

    def now(self) -> float:
        """Processing time: seconds since the epoch."""
        return self._context.now()

    @property
    def name(self) -> str:
        """The operator's name, as in the graph."""
        return self._context.name

    @property
    def subtask_index(self) -> int:
        """Which of the parallel instances this is, from 0."""
        return self._context.subtask_index

    @property
    def parallelism(self) -> int:
        """How many parallel instances there are."""
        return self._context.parallelism

    @property
    def logger(self) -> logging.Logger:
        """A logger named after the operator."""
        return self._context.logger

    # ---- for the operator

    def enter(self, batch: Batch[Any], row: int, put: Callable[[Any], None]) -> None:
        """The function is about to be called for a record."""
        self._batch = batch
        self._row = row
        self._put = put

    def leave(self) -> None:
        """The function has ended."""
        self._batch = None
        if self._set:
            self._set = []

    def cancel_timers(self) -> None:
        """The function has failed: forget the timers that it has set for this record."""
        for timer in self._set:
            timer.cancel()

    def set_timer(self, when: float) -> TimerHandle:
        """Set a timer for the record at hand."""
        batch, row = self._at_hand("timers"), self._row
        if not self._has_on_timer:
            raise InvalidOperator(
                f"{self.name}: a timer needs something to call; "
                f"write a sage.ProcessFunction with on_timer(timestamp, ctx)"
            )
        cut = batch.slice(row, row + 1)
        due = Batch([Due(when, self.key)], cut.keys, cut.timestamps, cut.calls)
        if due.calls is None:
            timer = self._context.set_timer(when, due)
        else:
            timer = self._of_calls.set(when, due, due.calls[0])
        self._set.append(timer)
        return timer

    def _at_hand(self, what: str) -> Batch[Any]:
        if self._batch is None:
            raise _ended(what)
        return self._batch


class CallTimers:
    """The timers of records of calls. Each keeps its call from ending until it is due or cancelled, or the call dies.

    Args:
        context: the operator's.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open: set[_CallTimer] = set()
        #: Whether the input is at its end: what is inside is still answered, so the operator waits for them.
        self.awaited = False

    @property
    def pending(self) -> bool:
        """Whether the end of the input waits for one."""
        return self.awaited and bool(self._open)

    def set(self, when: float, due: Batch[Due], call: Call) -> TimerHandle:
        """Set a timer."""
        timer = _CallTimer(self, due, call)
        timer.handle = self._context.set_timer(when, timer)
        self._open.add(timer)
        entered([call])
        call.attach(timer.cancel)
        if call.dead:  # the function goes on although its call is over
            timer.cancel()
        return timer

    def come(self, tag: "Batch[Due] | _CallTimer") -> Batch[Due] | None:
        """What a timer of the operator stands for that is due; `None` if it was cancelled meanwhile."""
        if not isinstance(tag, _CallTimer):
            return tag
        return alive(tag.due) if self.take(tag) else None

    def abandon(self) -> None:
        """Forget them all."""
        for timer in list(self._open):
            timer.cancel()

    def take(self, timer: "_CallTimer") -> bool:
        """Forget a timer; return whether it was there. Its call is still kept."""
        if timer not in self._open:
            return False
        self._open.remove(timer)
        timer.call.detach(timer.cancel)
        return True

    def cancel(self, timer: "_CallTimer") -> None:
        """Forget a timer; harmless when it has come."""
        if self.take(timer):
            timer.handle.cancel()
            timer.call.thinned(1)
            self._context.wake()  # who waits for the end may wait for this


class _CallTimer:
    """One of `CallTimers`."""

    __slots__ = ("_timers", "call", "due", "handle")

    handle: TimerHandle

    def __init__(self, timers: CallTimers, due: Batch[Due], call: Call) -> None:
        self._timers = timers
        self.due = due
        self.call = call

    def cancel(self) -> None:
        """See `TimerHandle.cancel`."""
        self._timers.cancel(self)


class Timers:
    """Timers in processing time. A timer belongs to the key at hand when it is set: `on_timer` sees that key again.

    A timer that is not due when the input ends is forgotten.
    """

    __slots__ = ("_lent",)

    def __init__(self, lent: ProcessContext) -> None:
        self._lent = lent

    def after(self, delay: float | timedelta) -> TimerHandle:
        """Have `on_timer` called after so many seconds, or a timedelta; the returned timer has `cancel()`.

        Raises:
            ValueError: a negative time.
            InvalidOperator: there is no `on_timer`.
        """
        pause = seconds(delay)
        if not is_number(pause):
            raise ValueError(f"timers.after({delay!r}): write seconds, 0 or more")
        return self._lent.set_timer(self._lent.now() + pause)

    def at(self, when: float | datetime) -> TimerHandle:
        """Have `on_timer` called at a time: seconds since the epoch, or a datetime; soon, if that has passed.

        Raises:
            ValueError: a datetime without a time zone, or no time at all.
            InvalidOperator: there is no `on_timer`.
        """
        due = when.timestamp() if isinstance(when, datetime) and when.tzinfo is not None else when
        if isinstance(due, datetime) or not is_number(due, least=-inf):
            raise ValueError(f"timers.at({when!r}): write seconds since the epoch, or a datetime with a time zone")
        return self._lent.set_timer(due)


def _ended(what: str) -> RuntimeError:
    return RuntimeError(
        f"ctx.{what} was used after the function had ended; "
        f"use it before it returns (an async function can await what takes longer)"
    )
