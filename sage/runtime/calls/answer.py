"""The answer to one request, on the side of the caller."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from sage.admission import Door, Pass
from sage.errors import DeadlineExceeded
from sage.kernel import RequestOptions
from sage.operators.endpoint import Request
from sage.runtime.calls.inlet import JobInlet
from sage.runtime.calls.running import RunningCall
from sage.services.deadline import current_deadline

if TYPE_CHECKING:
    from sage.runtime.calls.desk import CallDesk

__all__ = ["Answer"]


_MakeError = Callable[[str], DeadlineExceeded]


class _Abandoned(Exception):
    """The caller has gone."""


class _Reader:
    """The one who waits for records. Apart from the answer, so that an answer nobody holds can be collected."""

    __slots__ = ("waiter",)

    def __init__(self) -> None:
        self.waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Answer:
    """Implements `sage.kernel.Answer`.

    Args:
        desk: where it was asked for.
        inlet: the way in.
        value: the request.
        options: how it is made.
    """

    def __init__(self, desk: "CallDesk", inlet: JobInlet, value: Any, options: RequestOptions) -> None:
        self._desk = desk
        self._inlet = inlet
        self._value = value
        self._options = options
        self._call: RunningCall | None = None
        self._loop: asyncio.AbstractEventLoop
        self._reader = _Reader()
        self._closed = False

    async def admitted(self) -> None:
        """See `Answer.admitted` of the contract.

        Cancel safety: when cancelled, the request is withdrawn; a later call makes it anew.

        Raises:
            Overloaded, DeadlineExceeded, JobNotRunning: it was not let in.
        """
        if self._call is None and not self._closed:
            self._call = await self._begin()
            if self._closed:  # meanwhile
                self._close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The next record; see the contract.

        Cancel safety: a cancelled read closes the answer.
        """
        call = self._call
        if call is None:
            if self._closed:
                raise StopAsyncIteration
            await self.admitted()
            call = self._call
            if call is None:
                raise StopAsyncIteration
        unread = call.unread
        while not unread:
            if self._closed:
                raise StopAsyncIteration
            if call.dead or call.ended:
                raise self._end(call)
            self._reader.waiter = asyncio.get_running_loop().create_future()
            try:
                await self._reader.waiter
            except asyncio.CancelledError:
                self._close()
                raise
        if call.deadline is not None and self._is_late(call):  # what is read too late is not wanted
            unread.clear()
            raise self._end(call)
        value = unread.popleft()
        call.read(1)
        return value

    def ready(self) -> list[Any]:
        """See `Answer.ready` of the contract."""
        call = self._call
        if call is None or not call.unread or (call.deadline is not None and self._is_late(call)):
            return []
        values = list(call.unread)
        call.unread.clear()
        call.read(len(values))
        return values

    async def aclose(self) -> None:
        """See `Answer.aclose` of the contract.

        Cancel safety: nothing is awaited.
        """
        self._close()

    def __del__(self) -> None:
        # Whoever breaks off reading and forgets the answer wants nothing more of it. Later, and in the loop: garbage is
        # collected anywhere, also in another thread, and in the middle of what operators do with the call.
        call = self._call
        if call is not None and not (call.dead or call.ended or self._loop.is_closed()):
            self._loop.call_soon_threadsafe(_abandon, call)

    def _close(self) -> None:
        self._closed = True
        call, self._call = self._call, None
        if call is not None:
            _abandon(call)
            self._reader.wake()

    def _is_late(self, call: RunningCall) -> bool:
        """Whether its deadline has passed: while there was work on it, or since then."""
        if call.ended and call.error is None and call.deadline is not None and self._loop.time() >= call.deadline:
            call.error = self._too_late("before the answer was read")
        return isinstance(call.error, DeadlineExceeded)

    def _end(self, call: RunningCall) -> BaseException:
        self._closed = True
        self._call = None
        return StopAsyncIteration() if call.error is None else call.error

    async def _begin(self) -> RunningCall:
        desk, options, inlet = self._desk, self._options, self._inlet
        desk.check(inlet)
        self._loop = asyncio.get_running_loop()
        at = current_deadline()
        seconds = _seconds(options.get("deadline"))
        if seconds is not None:
            own = self._loop.time() + seconds
            at = own if at is None else min(at, own)
        key, priority = self._share()
        entry = None if desk.door is None else await self._let_in(desk.door, at, key, priority)
        name = options.get("trace") or inlet.endpoint.name
        call = RunningCall(name, deadline=at, priority=priority, key=key, window=desk.window)
        call.live = 1  # until the endpoint has sent the request on
        call.listen(self._reader.wake)
        desk.open.add(call)
        _Watch(desk, call, entry, self._too_late)
        inlet.put(Request(self._value, call))
        return call

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
            async with asyncio.timeout_at(at):
                entry = await door.enter(tokens=self._options.get("tokens", 0), key=key, priority=priority)
        except TimeoutError:
            raise self._too_late("while it waited to be let in") from None
        try:
            self._desk.check(self._inlet)  # the job may have ended in the moment in which it was its turn
        except BaseException:
            entry.leave()
            raise
        return entry

    @property
    def _too_late(self) -> _MakeError:
        return partial(_too_late, self._inlet.endpoint.name, _seconds(self._options.get("deadline")))


class _Watch:
    """Minds one open call: its deadline, and what is to be done when it is over.

    A deadline is one timer here. It marks the call dead, and operators drop its records where they meet them.
    """

    __slots__ = ("_desk", "_entry", "_timer")

    def __init__(self, desk: "CallDesk", call: RunningCall, entry: Pass | None, too_late: _MakeError) -> None:
        self._desk = desk
        self._entry = entry
        self._timer: asyncio.TimerHandle | None = None
        call.on_over = self._over
        if call.deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(call.deadline, self._late, call, too_late)

    def _late(self, call: RunningCall, too_late: _MakeError) -> None:
        call.kill(too_late("before the answer was whole"))

    def _over(self, call: Any) -> None:
        desk = self._desk
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if call.live:
            desk.dead.add(call)
            return
        desk.dead.discard(call)
        desk.open.discard(call)
        call.on_over = None
        if self._entry is not None:
            self._entry.leave()


def _seconds(length: float | timedelta | None) -> float | None:
    return length.total_seconds() if isinstance(length, timedelta) else length


def _too_late(endpoint: str, seconds: float | None, when: str) -> DeadlineExceeded:
    length = "" if seconds is None else f" of {seconds:g} s"
    return DeadlineExceeded(f"endpoint {endpoint!r}: the deadline{length} has passed {when}")


def _abandon(call: RunningCall) -> None:
    call.listen(None)
    call.unread.clear()
    call.kill(_Abandoned())
