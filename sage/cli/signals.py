"""Ctrl-C and SIGTERM while a job runs.

::

    SIGINT or SIGTERM ──▶ drain ── SIGINT ──▶ cancel ── SIGINT ──▶ KeyboardInterrupt
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import anyio

from sage.errors import JobError
from sage.jobs import Job

__all__ = ["Signals", "drain_on_signals", "signals_taken"]

_TAKEN = (signal.SIGINT, signal.SIGTERM)
# So many signals that nobody took up mean that a function of the user does not let go of the event loop.
_BEARABLE = 2


def _raise_interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def signals_taken(
    *, first: Callable[[], object] = lambda: None, last: Callable[[], object] = _raise_interrupt
) -> Iterator["Signals"]:
    """Take SIGINT and SIGTERM over, and put back the handlers that were there before. Needs a running event loop.

    Off the main thread, where signals do not come, it takes none.

    Args:
        first, last: as in `Signals`.
    """
    signals = Signals(asyncio.get_running_loop(), first=first, last=last)
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.signal(number, signals.on_signal) for number in _TAKEN}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            # `None` is one that was not set from Python, and cannot be set from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class Signals:
    """The signals that came, in order.

    Args:
        loop: the event loop in which they are awaited.
        first: is called when the first has come, also while something keeps the event loop from running.
        last: is called for one behind which there is no hope; by default it raises `KeyboardInterrupt`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        first: Callable[[], object] = lambda: None,
        last: Callable[[], object] = _raise_interrupt,
    ) -> None:
        self._loop = loop
        self._first: Callable[[], object] | None = first
        self._last = last
        self._queue: asyncio.Queue[int] = asyncio.Queue()
        # How many came that the event loop has not seen yet, and at how many it is interrupted.
        self._unseen = 0
        self._bearable = _BEARABLE

    async def next(self) -> int:
        """The next signal's number.

        Cancel safety: no signal is lost.
        """
        return await self._queue.get()

    def interrupt_next(self) -> None:
        """From now on, have a signal interrupt whatever the main thread is at."""
        self._bearable = 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """A handler for `signal.signal`.

        It runs between two instructions of whatever the main thread is at, also when that keeps the event loop from
        running: if signals pile up, the last resort is to interrupt it.

        Raises:
            KeyboardInterrupt: the event loop has not seen those before, or `interrupt_next` was called, unless `last`
                says otherwise.
        """
        if self._first is not None:
            first, self._first = self._first, None
            first()
        if self._unseen >= self._bearable:
            self._last()
        self._unseen += 1
        self._loop.call_soon_threadsafe(self._saw, number)

    def _saw(self, number: int) -> None:
        self._unseen -= 1
        self._queue.put_nowait(number)


async def drain_on_signals(job: Job, signals: Signals, say: Callable[[str], None]) -> None:
    """Have the first signal drain the job, and a Ctrl-C after it cancel the job; return then.

    Args:
        job: a running job.
        signals: what came.
        say: is told what happens, in a line.

    Cancel safety: the job stays as it is; if it is draining, it goes on.
    """
    async with anyio.create_task_group() as group:
        await signals.next()
        say("draining; press Ctrl-C again to cancel")
        group.start_soon(_drain, job)
        while await signals.next() != signal.SIGINT:
            pass  # it drains already
        say("cancelling; press Ctrl-C again to break off")
        signals.interrupt_next()
        await job.cancel()


async def _drain(job: Job) -> None:
    with suppress(JobError):  # whoever waits for the job gets it
        await job.drain()
