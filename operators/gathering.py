"""Records that wait for company: joined over batches, cut into lists of a given length.

A list goes out as soon as it is whole, or `max_wait` after its first record came, or when the input ends. A watermark
that comes while records are held stays behind them::

    batches ──▶ Gatherer: what is not a whole list yet, by call ──▶ lists (a `Batch` each, with the records' columns)
                          watermarks that came after it         ──▶ once all that was held then is out
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from sage.operators.calls import Call, CallHolder, alive, left
from sage.operators.contract import Context, Emissions, Logic, TimerHandle
from sage.operators.elements import Batch, Watermark, concat
from sage.operators.errors import InvalidOperator
from sage.operators.numbers import is_count, is_number

__all__ = ["Gatherer", "GatheringLogic", "check_gathering", "let_go"]


class _Held:
    """The records of one list that is not whole yet. Never empty."""

    __slots__ = ("call", "epoch", "give_out", "kill", "parts", "size", "timer")

    #: How its call tells that no more will come, or that nobody wants it; only where lists are kept apart by call.
    give_out: Callable[[], None]
    kill: Callable[[], None]

    def __init__(self, call: Call | None, first: Batch[Any], epoch: int) -> None:
        self.call = call
        self.parts = [first]
        self.size = len(first)
        #: How many watermarks had been kept before its first record came.
        self.epoch = epoch
        self.timer: TimerHandle | None = None

    def fits(self, batch: Batch[Any]) -> bool:
        """Whether the records may be in one list: they must have the same columns."""
        first = self.parts[0]
        same_timestamps = (first.timestamps is None) == (batch.timestamps is None)
        return same_timestamps and (first.calls is None) == (batch.calls is None)


class Gatherer:
    """Joins batches and cuts them into lists. Keys are dropped: a list has none.

    Args:
        max_size: how long a list may be.
        max_wait: how many seconds of processing time a record may be held; `None` for any time.
        by_call: whether records of different calls stay apart.
    """

    def __init__(self, max_size: int, max_wait: float | None, *, by_call: bool) -> None:
        self._max_size = max_size
        self._max_wait = max_wait
        self._by_call = by_call
        self._context: Context
        # By call; the one whose first record came first is the first.
        self._held: dict[Any, _Held] = {}
        # Each with the epoch that it ended.
        self._kept: deque[tuple[int, Watermark]] = deque()
        self._epoch = 0
        self._starved: list[_Held] = []

    def open(self, context: Context) -> None:
        """Take the clock and the timers of `context`; called before anything else."""
        self._context = context

    def add(self, batch: Batch[Any]) -> list[Batch[Any]]:
        """Take records in; return the lists that are whole now, in order."""
        lists: list[Batch[Any]] = []
        for call, rows in self._apart(batch):
            self._add(call, Batch(rows.values, None, rows.timestamps, rows.calls), lists)
        return lists

    def due(self, tag: Any) -> list[Batch[Any]]:
        """The list that a timer, set with `tag`, was for; none when it has gone out already."""
        held = self._held.get(tag.call)
        return [self._let_go(held)] if held is not None and held is tag else []

    def starved(self) -> list[Batch[Any]]:
        """Lists whose call has nothing else left inside: no more will come for them."""
        starved, self._starved = self._starved, []
        return [self._let_go(held) for held in starved if self._held.get(held.call) is held]

    def rest(self) -> list[Batch[Any]]:
        """All that is held."""
        return [self._let_go(held) for held in list(self._held.values())]

    def keep(self, watermark: Watermark) -> bool:
        """Keep a watermark back behind the records held; return False, and do not, when there are none."""
        if not self._held and not self._kept:
            return False
        self._kept.append((self._epoch, watermark))
        self._epoch += 1
        return True

    @property
    def releases(self) -> bool:
        """Whether a watermark that was kept may go out now."""
        if not self._kept:
            return False
        oldest = next(iter(self._held.values()), None)
        return oldest is None or oldest.epoch > self._kept[0][0]

    def released(self) -> Iterator[Watermark]:
        """Take the watermarks that may go out now."""
        while self.releases:
            yield self._kept.popleft()[1]

    def _apart(self, batch: Batch[Any]) -> Iterator[tuple[Any, Batch[Any]]]:
        if not batch:
            return
        calls = batch.calls if self._by_call else None
        if calls is None:
            yield None, batch
        elif calls.count(calls[0]) == len(calls):
            yield calls[0], batch
        else:
            rows: dict[Any, list[int]] = {}
            for row, call in enumerate(calls):
                rows.setdefault(call, []).append(row)
            for call, of_call in rows.items():
                yield call, batch.take(of_call)

    def _add(self, call: Any, batch: Batch[Any], lists: list[Batch[Any]]) -> None:
        held = self._held.get(call)
        if held is not None and not held.fits(batch):
            lists.append(self._let_go(held))
            held = None
        if held is not None and held.size + len(batch) < self._max_size:
            held.parts.append(batch)
            held.size += len(batch)
            if held.call is not None:
                held.call.hold(held.size, self._context.position, held.give_out)
            return
        if held is not None:
            batch = concat([self._let_go(held), batch])
        size = self._max_size
        whole = len(batch) - len(batch) % size
        lists.extend(batch.slice(start, start + size) for start in range(0, whole, size))
        if whole < len(batch):
            self._hold(call, batch.slice(whole, len(batch)) if whole else batch)

    def _hold(self, call: Any, batch: Batch[Any]) -> None:
        held = _Held(call, batch, self._epoch)
        self._held[call] = held
        if call is not None:
            held.give_out = partial(self._starve, held)
            held.kill = partial(self._drop, held)
            call.attach(held.kill)
            call.hold(held.size, self._context.position, held.give_out)
        if self._max_wait is not None:
            held.timer = self._context.set_timer(self._context.now() + self._max_wait, held)

    def _let_go(self, held: _Held) -> Batch[Any]:
        del self._held[held.call]
        if held.timer is not None:
            held.timer.cancel()
        if held.call is not None:
            held.call.detach(held.kill)
            held.call.unhold(held.give_out)
        return concat(held.parts)

    def _starve(self, held: _Held) -> None:
        """All that is left of its call waits for company, which cannot come any more."""
        self._starved.append(held)
        self._context.wake()

    def _drop(self, held: _Held) -> None:
        """Its call is dead."""
        batch = self._let_go(held)
        left(batch.calls or [])
        if self.releases:
            self._context.wake()


class GatheringLogic(Logic, CallHolder):
    """Works on lists inline. Derived classes say how: `on_lists`."""

    takes_whole_batches = True
    holds_calls = True

    def __init__(self, gatherer: Gatherer) -> None:
        self.gatherer = gatherer
        self.context: Context
        # Lists that are worked on, by an iterable that is not at its end.
        self._given: list[Batch[Any]] = []

    async def open(self, context: Any) -> None:
        """See `Logic.open`.

        Cancel safety: as `Logic.open`.
        """
        self.context = context
        self.gatherer.open(context)

    @abstractmethod
    def on_lists(self, lists: list[Batch[Any]]) -> Emissions:
        """Work on lists, in order; each holds the records of one list with their columns."""

    @property
    def pending(self) -> bool:
        """Whether a watermark waits to be collected."""
        return self.gatherer.releases

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        """See `Logic.process`."""
        return self.give(self.gatherer.add(batch))

    def on_timer(self, tag: Any) -> Emissions:
        """A list has waited long enough."""
        return self.give(self.gatherer.due(tag))

    def flush(self) -> Emissions:
        """See `Logic.flush`."""
        return self.give(self.gatherer.rest())

    def keeps_watermark(self, watermark: Watermark) -> bool:
        """A watermark goes out behind all records that came before it."""
        return self.gatherer.keep(watermark)

    def collect(self) -> Emissions:
        """See `Logic.collect`: lists for which no more will come, and watermarks."""
        starved = self.gatherer.starved()
        if starved:
            yield from self.give(starved)
        yield from self.gatherer.released()

    def abandon(self) -> None:
        """See `CallHolder.abandon`."""
        let_go([*self._given, *self.gatherer.rest()])

    def give(self, lists: list[Batch[Any]]) -> Emissions:
        """Work on lists that the gatherer has let go, then on the watermarks behind them."""
        lists = [rest for records in lists if (rest := alive(records)) is not None]
        self._given = lists
        yield from self.on_lists(lists)
        self._given = []
        let_go(lists)
        if self.gatherer.releases:
            self.context.wake()


def let_go(lists: Iterable[Batch[Any]]) -> None:
    """The records of these lists are inside no more."""
    for records in lists:
        if records.calls:
            left(records.calls)


def check_gathering(max_size: object, max_wait: object, owner: str) -> None:
    """Refuse sizes and times that cannot be.

    Raises:
        InvalidOperator: names `owner`, the operator that was given them.
    """
    if not is_count(max_size):
        raise InvalidOperator(f"{owner}: max_size={max_size!r}: write how many values a list may hold, 1 or more")
    if max_wait is not None and not is_number(max_wait):
        raise InvalidOperator(f"{owner}: max_wait={max_wait!r}: write seconds, 0 or more, or None")
