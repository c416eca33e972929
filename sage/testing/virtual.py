"""An event loop whose time is virtual: it jumps to the next timer when everything waits.

::

    def test_a_tick_every_hour():
        assert sage.testing.run(ticks(5)) == [0, 1, 2, 3, 4]      # five hours, at once

Time and what goes on outside of the loop:

* While something is ready, time stands still.
* While a thread works for the loop (see `sage.testing.outside` for what counts), time stands still as well, and a
  blocking function takes none. Only when it really takes as long as the next timer is away, that timer is due: so a
  timeout around it works, and nothing hangs. A loop over blocking functions that only a timer ends never ends.
* While the loop watches sockets, pipes or other files, time passes as it really does: nobody can know when a peer will
  answer.
* Otherwise it jumps to the next timer; and if none is set, `DeadlockError` tells where everything waits.
"""

import asyncio
import functools
import math
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, Unpack

from sage.testing.outside import Outside, Recorder
from sage.testing.waiting import describe

__all__ = ["DeadlockError", "VirtualLoop", "run", "virtual_time"]

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Events = list[tuple[selectors.SelectorKey, int]]


class DeadlockError(RuntimeError):
    """Everything waits, no timer is set and nothing is under way outside of the loop. It tells who waits where."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual, from 0. By itself: ``asyncio.Runner(loop_factory=VirtualLoop)``."""

    def __init__(self) -> None:
        self._now = 0.0
        self._outside = Outside(self)
        self._executor: Executor | None = None
        selector = VirtualSelector(self)
        super().__init__(selector)
        selector.own = len(selector.get_map())
        self._pass(0.0)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Tell that somebody the loop does not know of will answer by `call_soon_threadsafe`.

        Time does not jump while the block is open. For code that also runs on other loops::

            with getattr(loop, "outside", contextlib.nullcontext)():
                await answer
        """
        self._outside.marks += 1
        try:
            yield
        finally:
            self._outside.marks -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """See `asyncio.loop.run_in_executor`."""
        recorder = Recorder(executor or self._executor or self._default_pool())
        result = super().run_in_executor(recorder, func, *args)
        assert recorder.future is not None, "the loop submits before it returns"
        self._outside.add(result, recorder.future)
        return result

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:  # type: ignore[override]  # as in typeshed
        """See `asyncio.loop.set_default_executor`."""
        super().set_default_executor(executor)
        self._executor = executor

    def _default_pool(self) -> ThreadPoolExecutor:
        pool = ThreadPoolExecutor(thread_name_prefix="asyncio")
        self.set_default_executor(pool)
        return pool

    def _pass(self, seconds: float) -> None:
        self._now += seconds
        # Timers are due when they are less than this ahead. So none fires early, however small its distance, and none
        # waits forever because the sum of a great time and a small constant is that time.
        self._clock_resolution = math.ulp(self._now)

    def _deadlock(self) -> DeadlockError:
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: (len(task.get_name()), task.get_name()))
        waiting = "".join(f"\n  {describe(task)}" for task in tasks)
        return DeadlockError(
            f"everything waits and no timer is set:{waiting or ' there is no task'}\n"
            "If somebody outside of the loop will answer, wait inside `with loop.outside():`"
        )


class VirtualSelector(selectors.DefaultSelector):
    """Where the loop goes to wait: decides whether time jumps, passes or stands still."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        #: How many files the loop watches for itself (others wake it through them).
        self.own = 0

    def select(self, timeout: float | None = None) -> Events:
        """See `selectors.BaseSelector.select`."""
        if timeout is not None and timeout <= 0:
            return super().select(0)
        busy = self._loop._outside.is_busy()  # before looking at events: what ends in between has left one
        events = super().select(0)
        if events:
            return events
        if len(self.get_map()) > self.own:
            return self._while_time_passes(timeout)
        if busy:
            return self._while_time_stands(timeout)
        if timeout is None:
            raise self._loop._deadlock()
        self._loop._pass(timeout)
        return []

    def _while_time_passes(self, timeout: float | None) -> Events:
        start = time.monotonic()
        events = super().select(timeout)
        waited = time.monotonic() - start
        if timeout is not None:
            waited = min(waited, timeout) if events else timeout
        self._loop._pass(waited)
        return events

    def _while_time_stands(self, timeout: float | None) -> Events:
        events = super().select(timeout)
        if not events and timeout is not None:
            self._loop._pass(timeout)
        return events


def run(coroutine: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run a coroutine to its end in virtual time, as `asyncio.run` does in real time.

    Args:
        coroutine: what to run.
        debug: whether the loop is in debug mode; `None` for the default of asyncio.

    Raises:
        DeadlockError: everything waits, for something that cannot happen.
        RuntimeError: an event loop runs already in this thread.
    """
    if _runs_in_a_loop():
        coroutine.close()
        raise RuntimeError("sage.testing.run starts an event loop of its own: call it from a plain function")
    with asyncio.Runner(debug=debug, loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Decorate an asynchronous test: make it a plain one that runs in virtual time.

    Fixtures it asks for must be plain ones: asynchronous ones belong to another event loop.
    """

    @functools.wraps(test)
    def in_virtual_time(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return in_virtual_time


def _runs_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
