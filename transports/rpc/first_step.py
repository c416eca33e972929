"""Coroutines whose first step is taken by hand, to see whether they have to wait for anything."""

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # for "third-party task implementations", says asyncio's manual
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Standby", "rest_of"]

T = TypeVar("T")


class Standby(Generic[T]):
    """A task that waits for work, while others take first steps in its name.

    Args:
        task: the task.
        context: the one it runs in.
    """

    def __init__(self, task: asyncio.Task[Any], context: Context) -> None:
        self.task = task
        self.context = context
        self._loop = asyncio.get_running_loop()
        self._work: T | None = None
        self._left: asyncio.Future[None] = self._loop.create_future()

    def run(self, take_steps: Callable[[asyncio.Task[Any], Context], T | None]) -> T | None:
        """Take steps as if the task did: it is the current one, and what they set is set in its context.

        Raises:
            RuntimeError: another task is running.
        """
        _enter_task(self._loop, self.task)
        try:
            return self.context.run(take_steps, self.task, self.context)
        finally:
            _leave_task(self._loop, self.task)

    def leave(self, work: T | None) -> None:
        """Stand by no more: go on with the work that was begun, if there is some."""
        self._work = work
        if not self._left.done():
            self._left.set_result(None)

    async def left(self) -> T | None:
        """Wait for `leave`; return the work. The task itself awaits this.

        Cancel safety: when cancelled with work, that is returned, and cancelled at its first `await`.
        """
        try:
            await self._left
        except asyncio.CancelledError as error:
            if self._work is None:
                raise
            # It is the work that is meant: have the task told again, once that is what it runs.
            self.task.uncancel()
            self.task.cancel(*error.args)
        return self._work


async def rest_of(work: Coroutine[Any, Any, T], waits_for: Any) -> T:
    """Go on with `work`, which was begun by ``work.send(None)`` and gave `waits_for`; return what it returns.

    Await it in the task in whose name the first step was taken: that is what `work` may know as the current one.

    Cancel safety: that of `work`.
    """
    return await _rest_of(work, waits_for)


@coroutine
def _rest_of(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    while True:
        try:
            yield waits_for
        except BaseException as error:  # what the task is told while it waits is for `work` to deal with
            try:
                waits_for = work.throw(error)
            except StopIteration as done:
                result: T = done.value
                return result
        else:
            end: T = yield from work
            return end
