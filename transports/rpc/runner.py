"""Runs the calls of one server: starts them when there is a place, cancels them, and owns their tasks.

The life of a call::

    begin ──▶ waiting ──▶ running ──▶ over: ANSWER, ERROR or END
                 │           │
                 └── stop ───┴──────▶ cancelled and awaited; nothing of it keeps running
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from functools import partial
from types import CoroutineType
from typing import Any, Final

from sage.transports.errors import CodecError
from sage.transports.rpc.admission import Admission
from sage.transports.rpc.deadlines import Deadlines
from sage.transports.rpc.errors import DeadlineExceeded, Overloaded, RpcError, WrongCall
from sage.transports.rpc.failures import RAISED, kind_of_refusal
from sage.transports.rpc.handler import RpcHandler
from sage.transports.rpc.served import ServedCall

__all__ = ["Runner"]

_UNDER_WAY: Final = (Awaitable, AsyncIterator)

# An async generator that never waits gives way to the rest of the loop after this many seconds.
_BUDGET: Final = 0.001


class Runner:
    """Runs calls.

    Args:
        handler: says what a call means.
        admission: how many may run and wait.
    """

    def __init__(self, handler: RpcHandler, admission: Admission[ServedCall]) -> None:
        self._handler = handler
        self._admission = admission
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        # Those that have a deadline.
        self._timed: set[ServedCall] = set()
        self._deadlines = Deadlines(self._timed, self._expire)
        # Set by `aclose`: done when the last call is over.
        self._idle: asyncio.Future[None] | None = None
        self._open = 0

    @property
    def running(self) -> int:
        """How many calls run now."""
        return self._admission.running

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        return self._admission.waiting

    def begin(self, call: ServedCall) -> None:
        """Do what `call` asks, now or when there is a place; the answer goes back by itself."""
        self._open += 1
        if call.deadline is not None:
            self._timed.add(call)
            self._deadlines.add(call.deadline, call)
        if self._admission.try_enter():
            self._start(call)
        elif not self._admission.stand_in_line(call, partial(self._start, call)):
            told = f"{self.running} calls run and {self.waiting} wait, as many as max_concurrency and max_queue allow"
            self._refuse(call, Overloaded(told, method=call.method))
            self._settle(call)

    def stop(self, call: ServedCall, told: RpcError | None) -> None:
        """Cancel what is under way for `call`; its caller is told `told`, or nothing."""
        if call.stopped:
            return
        call.stopped = True
        call.stop = told
        if call.began:
            assert call.task is not None
            call.task.cancel()
            return
        # It never runs a step, so what its task would do at its end is done here.
        if call.task is None:
            self._admission.withdraw(call)
        else:
            call.task.cancel()
            call.task.add_done_callback(self._tasks.discard)
            _abandon(call.work)
        call.end()
        self._settle(call)

    async def finished(self) -> None:
        """Wait until no call is open.

        Cancel safety: the calls go on.
        """
        if self._open:
            if self._idle is None:
                self._idle = self._loop.create_future()
            await asyncio.shield(self._idle)

    async def aclose(self) -> None:
        """Wait for the tasks of all calls; whoever calls this has stopped them.

        Cancel safety: the tasks are cancelled already and end by themselves.
        """
        self._deadlines.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _start(self, call: ServedCall) -> None:
        call.placed = True
        try:
            work = self._handler.call(call.method, call.args, call.kwargs, call)
        except Exception as error:  # whatever the method, or a refusal of the handler, may raise
            self._refuse(call, error)
            self._settle(call)
            return
        if type(work) is CoroutineType or isinstance(work, _UNDER_WAY):
            call.work = work
            call.task = self._loop.create_task(self._run(call))
            self._tasks.add(call.task)
        else:
            self._reply(call, work)
            self._settle(call)

    async def _run(self, call: ServedCall) -> None:
        call.began = True
        try:
            result = call.work
            if type(result) is CoroutineType or isinstance(result, Awaitable):
                result = await result
            if call.window and isinstance(result, AsyncIterator):
                await self._stream(call, result)
            else:
                self._reply(call, result)
        except BaseException as error:
            call.fail(error, RAISED)
            if not isinstance(error, (Exception, asyncio.CancelledError)):
                raise
        finally:
            assert call.task is not None
            self._tasks.discard(call.task)
            self._settle(call)

    def _reply(self, call: ServedCall, value: Any) -> None:
        """Tell the one answer, or why there is none."""
        if call.window:
            self._refuse(
                call, WrongCall("it gives one answer, not a stream: await client.call(...)", method=call.method)
            )
            return
        try:
            call.answer(value)
        except CodecError as error:
            if isinstance(value, AsyncIterator):
                told = "it streams its answer: use `async with client.stream(...)`"
                self._refuse(call, WrongCall(told, method=call.method))
            else:
                call.fail(error, RAISED)

    async def _stream(self, call: ServedCall, items: AsyncIterator[Any]) -> None:
        now = time.monotonic
        async with AsyncExitStack() as stack:
            close = getattr(items, "aclose", None)
            if close is not None:
                stack.push_async_callback(close)
            until = now() + _BUDGET
            async for item in items:
                call.put(item)
                if call.credit <= 0:
                    await self._wait_for_reader(call)
                elif now() > until:
                    await asyncio.sleep(0)  # what is there leaves meanwhile
                else:
                    continue
                until = now() + _BUDGET
        call.end()

    async def _wait_for_reader(self, call: ServedCall) -> None:
        """Wait for credit. Meanwhile its place is free for others: a slow reader holds up nobody."""
        call.placed = False
        self._admission.leave()
        await call.room()
        placed = self._loop.create_future()
        self._admission.step_back(call, partial(placed.set_result, None))
        try:
            await placed
        except asyncio.CancelledError:
            call.placed = not self._admission.withdraw(call)
            raise
        call.placed = True

    def _refuse(self, call: ServedCall, error: Exception) -> None:
        call.fail(error, kind_of_refusal(error))

    def _expire(self, call: ServedCall) -> None:
        self._timed.discard(call)
        self.stop(call, DeadlineExceeded("no answer in time", method=call.method))

    def _settle(self, call: ServedCall) -> None:
        """The call is over, in whatever way."""
        if call.deadline is not None:
            self._timed.discard(call)
        self._open -= 1
        call.over()
        if call.placed:
            call.placed = False
            self._admission.leave()
        if self._idle is not None and not self._open:
            self._idle.set_result(None)
            self._idle = None


def _abandon(work: Any) -> None:
    """Close work that was never begun."""
    if isinstance(work, CoroutineType):
        work.close()
    elif isinstance(work, asyncio.Future):
        work.cancel()
