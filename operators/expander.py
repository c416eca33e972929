"""Many records from one, call by call: the inline flat_map of records that belong to requests.

The results of a call go on a slice at a time, and calls take turns: one that makes many records does not hold up
another. A call that shall make no more for now is set aside with its iterator, until it may go on.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any

from sage.operators.builder import BatchBuilder
from sage.operators.calls import Call
from sage.operators.contract import Context, Emissions
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator
from sage.operators.pace import Pace

__all__ = ["Expander"]

# How many results of one call go on before it is another's turn.
_SLICE = 256


class _Turns:
    """The records of one call: the one whose results are being made, and those behind it."""

    __slots__ = ("batch", "call", "done", "kill", "records", "results", "row", "rows")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.rows: deque[tuple[Batch[Any], int]] = deque()
        self.results: Iterator[Any] | None = None
        self.batch: Batch[Any]
        self.row = 0
        #: How many records of the call are here.
        self.records = 0
        #: How many more are worked off, but what was made of them is not all given out.
        self.done = 0
        self.kill: Callable[[], None]


class Expander:
    """Makes the results of records of calls.

    Args:
        context: the operator's.
        results: what the user's function returns for a value.
    """

    def __init__(self, context: Context, results: Callable[[Any], Iterable[Any]]) -> None:
        self._context = context
        self._results = results
        self._pace = Pace(context.budget, min(_SLICE, context.batch_size))
        self._calls: dict[Call, _Turns] = {}
        # Those that may go on, in turn.
        self._ready: deque[_Turns] = deque()

    @property
    def pending(self) -> bool:
        """Whether a record is here."""
        return bool(self._calls)

    def add(self, batch: Batch[Any]) -> None:
        """Take records in."""
        for row, call in enumerate(batch.calls or ()):
            turns = self._calls.get(call)
            if turns is None:
                turns = self._calls[call] = _Turns(call)
                turns.kill = partial(self._killed, turns)
                call.attach(turns.kill)
                self._ready.append(turns)
            turns.rows.append((batch, row))
            turns.records += 1

    def emissions(self) -> Emissions:
        """Give out results of each call that may go on: as many as it may make in one turn. Wakes if there are more."""
        builder: BatchBuilder[Any] = BatchBuilder()
        limit, position = self._context.batch_size, self._context.position
        for _ in range(len(self._ready)):  # whoever comes meanwhile is in the next round
            turns = self._ready.popleft()
            call = turns.call
            if call.waits and not call.dead and call.must_wait(position):
                call.when_room(partial(self._may_go_on, turns))
                continue
            size = min(self._pace.size, limit)
            began, made = perf_counter(), 0
            while made < size and turns.records:
                found, ended = self._some(turns, size - made, builder)
                made += found
                if ended and turns.records:  # else its call has died, and all its records are gone
                    turns.records -= 1
                    turns.done += 1
            self._pace.took(max(made, 1), perf_counter() - began)
            yield from builder.batches(limit)
            if turns.records:
                self._ready.append(turns)
            elif self._calls.pop(call, None) is not None:
                call.detach(turns.kill)
            if turns.done:
                done, turns.done = turns.done, 0
                call.thinned(done)
        if self._ready:
            self._context.wake()

    def abandon(self) -> None:
        """Nobody wants the results any more: let go of all records."""
        for turns in list(self._calls.values()):
            turns.call.detach(turns.kill)
            self._killed(turns)

    def close(self) -> None:
        """Forget everything; the job is over."""
        for turns in self._calls.values():
            turns.call.detach(turns.kill)
            self._end_iterator(turns)

    def _some(self, turns: _Turns, most: int, builder: BatchBuilder[Any]) -> tuple[int, bool]:
        """Make some results of the record at hand; return how many, and whether that was all of them."""
        before = len(builder)
        try:
            if turns.results is None:
                turns.batch, turns.row = turns.rows.popleft()
                turns.results = iter(self._results(turns.batch.values[turns.row]))
            builder.add(islice(turns.results, most), turns.batch, turns.row)
        except InvalidOperator:
            raise
        except Exception as error:
            turns.results = None
            turns.call.fail(error, self._context.name)
            return len(builder) - before, True
        made = len(builder) - before
        if made == most:
            return made, False
        turns.results = None
        return made, True

    def _may_go_on(self, turns: _Turns) -> None:
        if turns.records:
            self._ready.append(turns)
            self._context.wake()

    def _killed(self, turns: _Turns) -> None:
        """The call is dead: drop its records."""
        self._end_iterator(turns)
        turns.rows.clear()
        records, turns.records, turns.done = turns.records + turns.done, 0, 0
        self._calls.pop(turns.call, None)
        turns.call.thinned(records)

    def _end_iterator(self, turns: _Turns) -> None:
        results, turns.results = turns.results, None
        close = getattr(results, "close", None)
        if close is not None:
            try:
                close()
            except Exception as error:
                name = self._context.name
                self._context.logger.error("%s: failed while it was cancelled", name, exc_info=error)
