"""What goes on outside of an event loop, where its virtual time does not reach.

==============================  ====================================================================
handed to an executor           by `run_in_executor`, `asyncio.to_thread`: until its result has arrived
handed to a thread of anyio     `anyio.to_thread`: until its worker is idle again
a process started by the loop   while the thread that waits for its end lives
a thread of the program         while it lives, unless it is a daemon or was there before the loop
anything else                   inside `with loop.outside()`
==============================  ====================================================================
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.thread import _threads_queues
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from anyio._backends._asyncio import WorkerThread

__all__ = ["Outside", "Recorder", "is_idle_worker", "is_pool_worker"]

P = ParamSpec("P")
T = TypeVar("T")


class Recorder(Executor):
    """Passes one piece of work on to an executor and keeps its future, which the loop does not hand out."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.future: Future[Any] | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See `Executor.submit`."""
        future = self._executor.submit(fn, *args, **kwargs)
        self.future = future
        return future


class Outside:
    """Knows whether something is under way outside of one event loop.

    All of it ends by `call_soon_threadsafe`, so whoever asks first whether something is under way and looks for events
    afterwards misses nothing.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        #: How many `with loop.outside()` are open.
        self.marks = 0
        self._before = set(threading.enumerate())
        # Both futures: the loop's is done when the result has arrived or nobody wants it any more, and the
        # executor's when its thread has finished.
        self._handed_out: list[tuple[asyncio.Future[Any], Future[Any]]] = []
        self._watched: WeakSet[threading.Thread] = WeakSet()

    def add(self, result: asyncio.Future[Any], work: Future[Any]) -> None:
        """Count work that was handed to an executor."""
        self._handed_out.append((result, work))
        work.add_done_callback(lambda _: self._wake())

    def is_busy(self) -> bool:
        """Whether something is under way."""
        self._handed_out = [each for each in self._handed_out if not (each[0].done() and each[1].done())]
        return bool(self.marks or self._handed_out) or any(map(self._is_busy, threading.enumerate()))

    def _is_busy(self, thread: threading.Thread) -> bool:
        if isinstance(thread, WorkerThread):
            return thread.loop is self._loop and thread in thread.workers and not is_idle_worker(thread)
        if thread in self._before or is_pool_worker(thread) or thread is threading.current_thread():
            return False
        if thread.daemon:
            return "waitpid-" in thread.name  # asyncio waits for a process
        if thread not in self._watched:
            self._watched.add(thread)
            threading.Thread(target=self._watch, args=(thread,), name=f"end of {thread.name}", daemon=True).start()
        return True

    def _watch(self, thread: threading.Thread) -> None:
        # A thread may end without a word; the loop then has to look again.
        thread.join()
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            self._loop.call_soon_threadsafe(lambda: None)


def is_idle_worker(thread: threading.Thread) -> bool:
    """Whether this is a thread that anyio keeps for later."""
    return isinstance(thread, WorkerThread) and thread in thread.idle_workers


def is_pool_worker(thread: threading.Thread) -> bool:
    """Whether this thread belongs to an executor, at work or not."""
    return thread in _threads_queues or type(thread).__module__ == "concurrent.futures.process"
