"""What is under way when a service is stopped, and how that is ended."""

import asyncio
from asyncio import current_task
from threading import get_ident
from typing import Any

from sage.errors import ServiceUnavailable

__all__ = ["UnderWay"]


class UnderWay:
    """Knows in which task each call runs, and ends it there when the service is stopped.

    Calls run in the tasks of those who call. So such a task is cancelled as `asyncio.timeout` does it: the cancellation
    is taken back where the call ends, and one that came from somebody else stays what it is.

    Args:
        service: the service's name, for errors.

    Attributes:
        tasks: by call, the task that it runs in; `None` where that is not to be cancelled.
        loop, thread: where the service belongs; `None` before it has started.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self.tasks: dict[object, asyncio.Task[Any] | None] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: int | None = None
        # Those whose end is waited for; with the task, if it was cancelled. Done when there are none.
        self._ending: dict[object, asyncio.Task[Any] | None] = {}
        self._none_left: asyncio.Future[None] | None = None

    def settle(self) -> None:
        """The service belongs to the running event loop; calls from others are theirs."""
        self.loop = asyncio.get_running_loop()
        self.thread = get_ident()

    def begin(self) -> object:
        """The running task begins a call; follow with `end`. Returns what the call is known by."""
        call = object()
        # To ask for the running loop takes a system call, in some versions of Python.
        self.tasks[call] = current_task(self.loop) if get_ident() == self.thread else None
        return call

    def finish(self, call: object) -> None:
        """A call ends by itself: it is not cancelled any more, but waited for."""
        if self.tasks.pop(call, call) is not call:
            self._ending[call] = None

    def end(self, call: object) -> bool:
        """The running task has left a call. Returns whether `stop` has cancelled it, and nobody else has."""
        if self.tasks.pop(call, call) is not call or call not in self._ending:
            return False
        task = self._ending.pop(call)
        if not self._ending and self._none_left is not None and not self._none_left.done():
            self._none_left.set_result(None)
        return task is not None and not task.uncancel()

    def stopped(self, method: str) -> ServiceUnavailable:
        """What callers are told."""
        return ServiceUnavailable(f"{self._service}.{method}: the service was stopped meanwhile")

    async def stop(self, leaver: "asyncio.Task[Any] | None" = None) -> None:
        """Cancel all that runs, and wait until it has ended; but for what `leaver` runs, who waits for this.

        Cancel safety: what was cancelled ends by itself.
        """
        for call, task in list(self.tasks.items()):
            if task is not None and task is not leaver:
                del self.tasks[call]
                self._ending[call] = task
                task.cancel()
        if self._ending:
            self._none_left = asyncio.get_running_loop().create_future()
            await self._none_left
