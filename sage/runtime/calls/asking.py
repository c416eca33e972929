"""One request from the caller's side: let in, sent, read, closed."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from math import inf
from types import AsyncGeneratorType
from typing import Any, cast

from sage.admission import Door, Pass
from sage.errors import DeadlineExceeded
from sage.kernel import RequestOptions
from sage.operators.endpoint import Request
from sage.operators.numbers import is_number, seconds
from sage.runtime.calls.inlet import JobInlet
from sage.runtime.calls.open_calls import OpenCalls
from sage.runtime.calls.running import RunningCall
from sage.runtime.calls.watch import watch
from sage.services.deadline import current_deadline

__all__ = ["Asking"]


class _Abandoned(Exception):
    """The caller has gone."""


class Asking:
    """What `Answer` stands for. Apart from it, so that an answer that nobody holds any more is noticed.

    Args:
        calls: those of the job.
        inlet: the way in.
        value: the request.
        options: how it is made.

    Attributes:
        call: the call, while it is open.
        read_by_records: whether somebody has begun to iterate over `records`, which then closes it.
    """

    def __init__(self, calls: OpenCalls, inlet: JobInlet, value: Any, options: RequestOptions) -> None:
        self._calls = calls
        self._inlet = inlet
        self._value = value
        self._options = options
        self.call: RunningCall | None = None
        self.read_by_records = False
        self._loop: asyncio.AbstractEventLoop
        self._closed = False
        # Whoever waits for a record.
        self._waiter: asyncio.Future[None] | None = None
        # While one task makes the request: the others that want it made.
        self._behind: list[asyncio.Future[None]] | None = None
        # While it waits at the door: what ends the wait.
        self._patience: asyncio.Timeout | None = None

    async def admitted(self) -> None:
        """See `sage.kernel.Answer.admitted`.

        Cancel safety: when cancelled, the request is withdrawn; a later call makes it anew.

        Raises:
            Overloaded, DeadlineExceeded, JobNotRunning: it was not let in.
        """
        while self._behind is not None:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._behind.append(turn)
            await turn
        if self.call is None and not self._closed:
            behind: list[asyncio.Future[None]] = []
            self._behind = behind
            try:
                self.call = await self._begin()
            except _Abandoned:  # closed at the door
                return
            finally:
                self._behind = None
                for turn in behind:
                    if not turn.done():
                        turn.set_result(None)
            self._close_if_unwanted()

    def records(self) -> "AsyncGeneratorType[Any, None]":
        """The records, one by one. A generator, for reading a record must not cost a coroutine.

        Cancel safety: when cancelled, it is closed.
        """
        return cast("AsyncGeneratorType[Any, None]", self._records())

    async def _records(self) -> AsyncGenerator[Any, None]:
        try:
            await self.admitted()
            call = self.call
            if call is None:
                return
            unread = call.unread
            while not self._closed:
                if unread:
                    if call.deadline is not None and self._is_late(call):  # what is read too late is not wanted
                        break
                    value = unread.popleft()
                    call.taken += 1
                    if call.full:
                        call.read(0)
                    yield value
                elif call.dead or call.ended:
                    break
                else:
                    self._waiter = self._loop.create_future()
                    await self._waiter
            if not self._closed and call.error is not None:
                raise call.error
        finally:
            self.close()

    def ready(self) -> list[Any]:
        """See `sage.kernel.Answer.ready`."""
        call = self.call
        if call is None or not call.unread or (call.deadline is not None and self._is_late(call)):
            return []
        values = list(call.unread)
        call.unread.clear()
        call.read(len(values))
        return values

    def close(self) -> None:
        """Want nothing more; a second time is harmless."""
        self._closed = True
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._loop.time())
        call, self.call = self.call, None
        if call is not None:
            _abandon(call)
            self._wake()

    def _close_if_unwanted(self) -> None:
        if self._closed:  # while it waited to be let in
            self.close()

    def forget(self) -> None:
        """Nobody can read it any more. Garbage is collected anywhere, also in another thread: so the loop closes it."""
        call = self.call
        if call is not None and not (call.dead or call.ended or self._loop.is_closed()):
            self._loop.call_soon_threadsafe(_abandon, call)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _is_late(self, call: RunningCall) -> bool:
        """Whether its deadline has passed: while there was work on it, or since then."""
        if call.ended and call.error is None and call.deadline is not None and self._loop.time() >= call.deadline:
            call.error = self._too_late("before the answer was read")
        return isinstance(call.error, DeadlineExceeded)

    async def _begin(self) -> RunningCall:
        calls, options, inlet = self._calls, self._options, self._inlet
        calls.check(inlet)
        self._loop = asyncio.get_running_loop()
        at = self._deadline()
        key, priority = self._share()
        entry = None if calls.door is None else await self._let_in(calls.door, at, key, priority)
        name = options.get("trace") or inlet.endpoint.name
        call = RunningCall(name, deadline=at, priority=priority, key=key, window=calls.window)
        call.live = 1  # until the endpoint has sent the request on
        call.listen(self._wake)
        watch(calls, call, entry, self._too_late)
        inlet.put(Request(self._value, call))
        return call

    def _deadline(self) -> float | None:
        """The moment by which the answer is wanted: by this request, or by whoever makes it.

        Raises:
            TypeError: its deadline is no length of time.
        """
        at, given = current_deadline(), self._options.get("deadline")
        length = seconds(given)
        if length is None:
            return at
        if not is_number(length, least=-inf):
            name = self._inlet.endpoint.name
            raise TypeError(f"endpoint {name!r}: deadline={given!r}: write seconds from now, or a timedelta")
        own = self._loop.time() + length
        return own if at is None else min(at, own)

    def _share(self) -> tuple[Any, int]:
        """On whose behalf it is, and how urgent: checked here, for operators sort by it.

        Raises:
            TypeError: one of them cannot be.
        """
        endpoint, key, priority = self._inlet.endpoint, self._options.get("key"), self._options.get("priority", 0)
        if key is None and endpoint.fair_by is not None:
            key = endpoint.fair_by(self._value)
        try:
            hash(key)
        except TypeError as error:
            raise TypeError(f"endpoint {endpoint.name!r}: the key of a request must be hashable: {error}") from error
        if not isinstance(priority, int):
            raise TypeError(f"endpoint {endpoint.name!r}: priority={priority!r}: write a whole number")
        return key, priority

    async def _let_in(self, door: Door, at: float | None, key: Any, priority: int) -> Pass:
        try:
            async with asyncio.timeout_at(at) as self._patience:
                entry = await door.enter(tokens=self._options.get("tokens", 0), key=key, priority=priority)
        except TimeoutError:
            raise (_Abandoned() if self._closed else self._too_late("while it waited to be let in")) from None
        finally:
            self._patience = None
        try:
            self._calls.check(self._inlet)  # the job may have ended in the moment in which it was its turn
        except BaseException:
            entry.leave()
            raise
        return entry

    @property
    def _too_late(self) -> Callable[[str], DeadlineExceeded]:
        return partial(_too_late, self._inlet.endpoint.name, seconds(self._options.get("deadline")))


def _too_late(endpoint: str, length: float | None, when: str) -> DeadlineExceeded:
    told = "" if length is None else f" of {length:g} s"
    return DeadlineExceeded(f"endpoint {endpoint!r}: the deadline{told} has passed {when}")


def _abandon(call: RunningCall) -> None:
    call.listen(None)
    call.unread.clear()
    call.kill(_Abandoned())
