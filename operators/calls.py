"""Calls: requests that travel with their records.

A record that belongs to a request has its `Call` in the batch's `calls` column. A call counts its records that are
inside: those in channels, in the hands of an operator, or held back. When none is left, its answer has ended. So

* what is emitted is counted by whoever sends it on, before what it was made from is let go of;
* a batch that an operator has worked on is let go of by the runner, unless the logic says `holds_calls`: then it keeps
  records beyond `process`, and lets go of each (`left`) behind all that it has emitted for it.

Two levels of flow control: channels bound the program, and each call has a window. Whoever makes records of a call
pauses while its caller has a window full of unread ones, and nobody else does.
"""

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any

from sage.operators.elements import Batch

__all__ = ["Call", "CallHolder", "Deaths", "alive", "entered", "left"]


_NONE_WAIT: list[Callable[[], None]] = []
_NO_CROWDS: Counter[int] = Counter()
_NO_HOLDERS: dict[Callable[[], None], tuple[int, int]] = {}


class Call:
    """One request, and its answer as far as it has come.

    Three sides meet here: operators (count, pause, fail), the end of the program that delivers, and the caller that
    reads. All are in one event loop.

    Args:
        name: what log lines and errors call it.
        deadline: the moment, in the running loop's time, by which the answer is to be read; whoever made the call
            enforces it.
        priority: who waits with a higher one goes first.
        key: those with different keys get equal shares; hashable.
        window: how many records may wait to be read before those who make more pause.

    Attributes:
        dead: nobody waits for the answer any more: its records are dropped, its functions cancelled.
        ended: no record of it is inside any more, and it did not die.
        error: what it died of.
        live: how many of its records are inside.
        held: how many of these wait for company.
        taken: how many records of the answer were read.
        full: a window full was delivered, and less than half of it read since.
        waits: whether anybody shall pause; `must_wait` tells who.
        unread: what was delivered and not read.
    """

    __slots__ = (
        "__weakref__",
        "_crowds",
        "_holders",
        "_kills",
        "_listener",
        "_waiting",
        "dead",
        "deadline",
        "ended",
        "error",
        "full",
        "held",
        "key",
        "live",
        "name",
        "on_over",
        "priority",
        "taken",
        "unread",
        "waits",
        "window",
    )

    def __init__(
        self, name: str = "", *, deadline: float | None = None, priority: int = 0, key: Any = None, window: int = 256
    ) -> None:
        self.name = name
        self.deadline = deadline
        self.priority = priority
        self.key = key
        self.window = window
        self.dead = False
        self.ended = False
        self.error: BaseException | None = None
        self.live = 0
        self.held = 0
        self.taken = 0
        self.waits = False
        self.unread: deque[Any] = deque()
        #: Called when it dies, and when the last of its records is gone.
        self.on_over: Callable[[Call], None] | None = None
        self.full = False
        self._listener: Callable[[], None] | None = None
        self._kills: dict[Callable[[], None], None] = {}
        # Most calls never need these; a call is made for every request.
        self._waiting: list[Callable[[], None]] = _NONE_WAIT
        # By position: how many subtasks there have a crowd.
        self._crowds: Counter[int] = _NO_CROWDS
        # Who holds records that wait for company: where, and how many.
        self._holders: dict[Callable[[], None], tuple[int, int]] = _NO_HOLDERS

    def __repr__(self) -> str:
        state = "dead" if self.dead else "ended" if self.ended else f"{self.live} records inside"
        return f"<Call {self.name}: {state}, {len(self.unread)} unread>"

    # ---- the caller

    def listen(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called when something was delivered, and when it is over; `None` for nothing any more."""
        self._listener = wake

    def read(self, records: int) -> None:
        """So many records were taken out of `unread`."""
        self.taken += records
        if self.full and len(self.unread) <= self.window // 2:
            self.full = False
            self._look_again()

    def kill(self, error: BaseException) -> None:
        """Nobody waits for the answer any more: stop all work on it. Harmless when it is over."""
        if self.dead or self.ended:
            return
        self.dead = True
        self.error = error
        kills, self._kills = self._kills, {}
        for kill in kills:
            kill()
        self._look_again()
        self._tell_over()

    # ---- the end of the program

    def deliver(self, values: list[Any]) -> None:
        """Records of the answer have come."""
        if self.dead:
            return
        self.unread.extend(values)
        if len(self.unread) >= self.window:
            self.full = self.waits = True
        if self._listener is not None:
            self._listener()

    # ---- operators: counting

    def thinned(self, records: int) -> None:
        """So many of its records are inside no more."""
        self.live -= records
        if not self.live:
            self._tell_over()
        elif self.live <= self.held:
            self._give_out()

    def hold(self, records: int, position: int, give_out: Callable[[], None]) -> None:
        """So many of its records wait for company, all that `give_out` stands for.

        It is called when none can come. The operator at `position` holds them.
        """
        if self._holders is _NO_HOLDERS:
            self._holders = {}
        _, before = self._holders.get(give_out, (position, 0))
        self.held += records - before
        self._holders[give_out] = position, records
        if self.live <= self.held:
            self._give_out()

    def unhold(self, give_out: Callable[[], None]) -> None:
        """They do not wait any more."""
        _, records = self._holders.pop(give_out)
        self.held -= records

    def _give_out(self) -> None:
        """Nothing else is on its way. What is held first comes to those further down: maybe it is company for them."""
        if self._holders:
            first = min(position for position, _ in self._holders.values())
            for give_out in [give_out for give_out, (position, _) in self._holders.items() if position == first]:
                give_out()

    # ---- operators: pausing

    def must_wait(self, position: int) -> bool:
        """Whether the operator at `position` shall make no more records of it now.

        Either the caller has a window full to read, or an operator further down has a crowd of its records waiting.
        """
        return self.full or any(crowd > position for crowd in self._crowds)

    def when_room(self, wake: Callable[[], None]) -> None:
        """Have `wake` called, once, when `must_wait` may have changed, or the call is dead."""
        if self._waiting is _NONE_WAIT:
            self._waiting = []
        self._waiting.append(wake)

    def crowd(self, position: int) -> None:
        """The operator at `position` has so many records of it waiting that those upstream shall make no more."""
        if self._crowds is _NO_CROWDS:
            self._crowds = Counter()
        self._crowds[position] += 1
        self.waits = True

    def uncrowd(self, position: int) -> None:
        """It has few again."""
        self._crowds[position] -= 1
        if not self._crowds[position]:
            del self._crowds[position]
            self._look_again()

    # ---- operators: failing and dying

    def fail(self, error: BaseException, operator: str) -> None:
        """A function of `operator` has failed on a record of it: the call ends with that error, and nothing else."""
        if not isinstance(error, Exception):  # a cancellation that came from within is none of the caller's
            cause, error = error, RuntimeError(f"the function was stopped from within: {type(error).__name__}")
            error.__cause__ = cause
        note = f"in operator {operator!r}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        self.kill(error)

    def attach(self, kill: Callable[[], None]) -> None:
        """Have `kill` called, once, when the call dies: something works on it, or keeps records of it."""
        self._kills[kill] = None

    def detach(self, kill: Callable[[], None]) -> None:
        """It does not any more; harmless when it was called."""
        self._kills.pop(kill, None)

    def enter(self) -> None:
        """The running task begins to work for it: all that it calls has its deadline."""

    def leave(self) -> None:
        """The running task works for it no more."""

    def _look_again(self) -> None:
        self.waits = self.full or bool(self._crowds)
        waiting, self._waiting = self._waiting, _NONE_WAIT
        for wake in waiting:
            wake()

    def _tell_over(self) -> None:
        if not self.dead:
            self.ended = True
        if self.on_over is not None:
            self.on_over(self)
        if self._listener is not None:
            self._listener()


class CallHolder(ABC):
    """A logic that keeps something of calls beyond `process`."""

    @abstractmethod
    def abandon(self) -> None:
        """Nobody wants what would come of it any more: let go of it all. Called right before `close`, if at all."""


class Deaths:
    """Watches calls that share something, and tells when the last of them has died.

    Args:
        calls: the calls, alive; each may be there more than once.
        then: called, once, when all have died.
    """

    def __init__(self, calls: list[Call], then: Callable[[], Any]) -> None:
        self._then = then
        self._kills = {call: partial(self._died, call) for call in calls}
        for call, kill in list(self._kills.items()):
            call.attach(kill)

    @property
    def all_died(self) -> bool:
        """Whether all of them have."""
        return not self._kills

    def close(self) -> None:
        """Watch no more."""
        for call, kill in self._kills.items():
            call.detach(kill)

    def _died(self, call: Call) -> None:
        self._kills.pop(call, None)
        if not self._kills:
            self._then()


def entered(calls: list[Call]) -> None:
    """Records of these calls, one for each entry, go in."""
    first = calls[0]
    if calls.count(first) == len(calls):
        first.live += len(calls)
    else:
        for call, records in Counter(calls).items():
            call.live += records


def left(calls: list[Call]) -> None:
    """Records of these calls, one for each entry, are inside no more."""
    first = calls[0]
    if calls.count(first) == len(calls):
        first.thinned(len(calls))
    else:
        for call, records in Counter(calls).items():
            call.thinned(records)


def alive(batch: Batch[Any]) -> Batch[Any] | None:
    """The batch without the records of dead calls, which are let go of; `None` if nothing is left."""
    calls = batch.calls or []
    dead = [call for call in calls if call.dead]
    if not dead:
        return batch
    rest = batch.select([not call.dead for call in calls]) if len(dead) < len(calls) else None
    left(dead)
    return rest
