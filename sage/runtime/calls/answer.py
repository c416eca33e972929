"""The answer to one request, on the side of the caller."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

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
        self._reader = _Reader()
        self._closed = False
        self._records = self._read()

    async def admitted(self) -> None:
        """See `Answer.admitted` of the contract.

        Cancel safety: when cancelled, the request is withdrawn; a later call makes it anew.

        Raises:
            Overloaded, DeadlineExceeded, JobNotRunning: it was not let in.
        """
        if self._call is None and not self._closed:
            self._call = await self._begin()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._records

    def __anext__(self) -> Awaitable[Any]:
        """The next record; see the contract.

        Cancel safety: a cancelled read closes the answer.
        """
        return self._records.__anext__()

    async def _read(self) -> AsyncGenerator[Any, None]:
        # A generator, for reading a record must not cost a coroutine.
        try:
            await self.admitted()
            call = self._call
            if call is None:
                return
            unread = call.unread
            while True:
                while unread:
                    if call.dead and isinstance(call.error, DeadlineExceeded):  # what comes too late is not wanted
                        raise call.error
                    value = unread.popleft()
                    call.taken += 1
                    if call.full:
                        call.read(0)
                    yield value
                if call.ended:
                    return
                if call.dead:
                    raise call.error or _Abandoned()
                self._reader.waiter = asyncio.get_running_loop().create_future()
                await self._reader.waiter
        finally:
            self._close()

    def ready(self) -> list[Any]:
        """See `Answer.ready` of the contract."""
        call = self._call
        if call is None or not call.unread:
            return []
        values = list(call.unread)
        call.unread.clear()
        call.read(len(values))
        return values

    async def aclose(self) -> None:
        """See `Answer.aclose` of the contract.

        Cancel safety: nothing is waited for.
        """
        self._close()
        await self._records.aclose()

    def _close(self) -> None:
        self._closed = True
        call, self._call = self._call, None
        if call is not None:
            call.listen(None)
            call.unread.clear()
            call.kill(_Abandoned())

    async def _begin(self) -> RunningCall:
        desk, options, endpoint = self._desk, self._options, self._inlet.endpoint
        desk.check(endpoint.name)
        seconds = _seconds(options.get("deadline"))
        at = current_deadline()
        if seconds is not None:
            own = asyncio.get_running_loop().time() + seconds
            at = own if at is None else min(at, own)
        key = options.get("key")
        if key is None and endpoint.fair_by is not None:
            key = endpoint.fair_by(self._value)
        priority = options.get("priority", 0)
        entry = None if desk.door is None else await self._let_in(desk.door, at, key, priority)
        name = options.get("trace") or endpoint.name
        call = RunningCall(name, deadline=at, priority=priority, key=key, window=desk.window)
        call.live = 1  # until the endpoint has sent the request on
        call.listen(self._reader.wake)
        desk.open.add(call)
        _Watch(desk, call, entry, endpoint.name, seconds)
        self._inlet.put(Request(self._value, call))
        return call

    async def _let_in(self, door: Door, at: float | None, key: Any, priority: int) -> Pass:
        try:
            async with asyncio.timeout_at(at):
                return await door.enter(tokens=self._options.get("tokens", 0), key=key, priority=priority)
        except TimeoutError:
            seconds = _seconds(self._options.get("deadline"))
            raise _too_late(self._inlet.endpoint.name, seconds, "while it waited to be let in") from None


class _Watch:
    """Minds one open call: its deadline, and what is to be done when it is over.

    A deadline is one timer here. It marks the call dead, and operators drop its records where they meet them.
    """

    __slots__ = ("_desk", "_entry", "_timer")

    def __init__(
        self, desk: "CallDesk", call: RunningCall, entry: Pass | None, endpoint: str, seconds: float | None
    ) -> None:
        self._desk = desk
        self._entry = entry
        self._timer: asyncio.TimerHandle | None = None
        call.on_over = self._over
        if call.deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(call.deadline, self._late, call, endpoint, seconds)

    def _late(self, call: RunningCall, endpoint: str, seconds: float | None) -> None:
        call.kill(_too_late(endpoint, seconds, "before the answer was whole"))

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
