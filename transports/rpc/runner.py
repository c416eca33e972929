"""Runs the calls of one server: starts them when there is a place, cancels them, and owns their tasks.

The life of a call::

    begin ──▶ waiting ──▶ running ──▶ over: ANSWER, ERROR or END
                 │           │
                 └── stop ───┴──────▶ cancelled and awaited; nothing of it keeps running

A task costs as much as a small call. So calls that have come are begun in the name of one task that stands by, one
behind the other, as long as none of them has to wait for anything. The first one that does keeps the task for itself,
and another one takes its place: what can be cancelled, and what other code may know as the current task, is of one call
only.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from contextvars import Context, copy_context
from functools import partial
from types import CoroutineType
from typing import Any, Final

from sage.transports.errors import CodecError
from sage.transports.rpc.admission import Admission
from sage.transports.rpc.deadlines import Deadlines
from sage.transports.rpc.errors import DeadlineExceeded, Overloaded, RpcError, WrongCall
from sage.transports.rpc.failures import RAISED, kind_of_refusal
from sage.transports.rpc.first_step import Standby, rest_of
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
        # What calls begin with: none of them sees the variables that another one has set.
        self._context = copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        # Calls that have a place and have not begun; whether there is a task that will begin them when it runs.
        self._ready: deque[ServedCall] = deque()
        self._beginning = False
        self._standby: Standby[ServedCall] | None = None
        self._closed = False
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
        """Do what `call` asks when there is a place, and not before `run_ready`; the answer goes back by itself."""
        self._open += 1
        if call.deadline is not None:
            self._timed.add(call)
            self._deadlines.add(call.deadline, call)
        if self._admission.try_enter():
            self._start(call)
        elif not self._admission.stand_in_line(call, partial(self._start_soon, call)):
            told = f"{self.running} calls run and {self.waiting} wait, as many as max_concurrency and max_queue allow"
            self._refuse(call, Overloaded(told, method=call.method))
            self._settle(call)

    def run_ready(self) -> None:
        """Run what has begun, as far as it comes without waiting; called by the loop, not in a task."""
        if self._beginning or not self._ready:
            return
        standby = self._standby
        if standby is None:
            self._create_task()
            return
        call = standby.run(self._run_quick_ones)
        if call is not None or not self._untouched(standby.task, standby.context):
            self._standby = None
            standby.leave(call)
            if self._ready:
                self._create_task()

    def stop(self, call: ServedCall, told: RpcError | None) -> None:
        """Cancel what is under way for `call`; its caller is told `told`, or nothing."""
        if call.stopped:
            return
        call.stopped = True
        call.stop = told
        if call.task is not None:
            call.task.cancel()
            return
        # It never runs a step, so what its task would do at its end is done here.
        if call.work is None:
            self._admission.withdraw(call)
        else:
            self._ready.remove(call)
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

    def close(self) -> None:
        """Begin nothing more."""
        self._closed = True
        self._deadlines.close()
        if self._standby is not None:
            self._standby.leave(None)

    async def aclose(self) -> None:
        """Wait for the tasks of all calls; whoever calls this has stopped them.

        Cancel safety: the tasks are cancelled already and end by themselves.
        """
        self.close()
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
            self._ready.append(call)
        else:
            self._reply(call, work)
            self._settle(call)

    def _start_soon(self, call: ServedCall) -> None:
        """Start a call whose turn came because another one is over."""
        self._start(call)
        if self._ready and not self._beginning:
            self._create_task()

    def _create_task(self) -> None:
        self._beginning = True
        context = self._context.copy()
        self._tasks.add(self._loop.create_task(self._run_ready(context), context=context))

    async def _run_ready(self, context: Context) -> None:
        """Run what is ready, stand by for more, and run the first call that has to wait to its end."""
        task = asyncio.current_task()
        assert task is not None
        try:
            try:
                call = self._run_quick_ones(task, context)
            finally:
                self._beginning = False
            if call is None and self._untouched(task, context) and not (self._standby or self._closed):
                call = await self._stand_by(task, context)
            elif self._ready:
                self._create_task()
            if call is not None:
                await self._run(call)
        finally:
            self._tasks.discard(task)

    async def _stand_by(self, task: asyncio.Task[Any], context: Context) -> ServedCall | None:
        """Lend the task to those calls that come, until one of them has to wait."""
        self._standby = standby = Standby[ServedCall](task, context)
        try:
            return await standby.left()
        finally:
            if self._standby is standby:
                self._standby = None

    def _run_quick_ones(self, task: asyncio.Task[Any], context: Context) -> ServedCall | None:
        """Run calls that are over in one step; return the first one that is not."""
        ready, untouched = self._ready, self._untouched
        while ready:
            call = ready.popleft()
            call.task = task
            if call.window or type(call.work) is not CoroutineType:
                return call
            try:
                waits_for = call.work.send(None)
            except StopIteration as done:
                self._reply(call, done.value)
            except (Exception, asyncio.CancelledError) as error:
                call.fail(error, RAISED)
            except BaseException as error:
                call.fail(error, RAISED)
                self._settle(call)
                raise
            else:
                call.work = rest_of(call.work, waits_for)
                return call
            self._settle(call)
            if not untouched(task, context):
                return None
        return None

    def _untouched(self, task: asyncio.Task[Any], context: Context) -> bool:
        """Whether the next call finds nothing that the last one has left behind."""
        return context == self._context and not task.cancelling()

    async def _run(self, call: ServedCall) -> None:
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
        del call.peer.calls[call.id]  # what its caller still says about it is ignored
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
