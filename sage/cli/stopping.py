"""How commands that serve until they are told to stop end, whatever the program does meanwhile.

::

    SIGINT or SIGTERM ──▶ finish ── SIGINT ──▶ break off ── SIGINT or SIGTERM ──▶ the process ends
                             └─────────── too long ─────────▶ the process ends
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Protocol

import click

from sage.cli.failures import ExitCode
from sage.cli.signals import Signals, signals_taken

__all__ = ["CLOSING", "LastResort", "Staying", "Stoppable", "obeying_signals", "stop_on_signals"]

#: Seconds in which what was started must have stopped, when no request is left.
CLOSING = 5.0


class Stoppable(Protocol):
    """What serves."""

    @property
    def started(self) -> bool:
        """Whether it has started."""
        ...

    def finish(self) -> None:
        """Take nothing new, and stop when what is there is done; if it has not started yet, at once."""
        ...

    def break_off(self) -> None:
        """Having been told to finish, do not wait for what is there."""
        ...


class Staying:
    """What is offered for the length of a block, by the task that makes this.

    ::

        with staying.ended():
            async with served(app):
                await staying.stay()
    """

    def __init__(self) -> None:
        self.started = False
        self._stop = asyncio.Event()
        self._broken_off = False
        self._task = asyncio.current_task()

    async def stay(self) -> None:
        """Everything has started: return when it is to stop.

        Cancel safety: nothing is lost.
        """
        self.started = True
        await self._stop.wait()

    def finish(self) -> None:
        """See `Stoppable.finish`."""
        if self.started:
            self._stop.set()
        else:
            self.break_off()

    def break_off(self) -> None:
        """See `Stoppable.break_off`."""
        self._broken_off = True
        if self._task is not None:
            self._task.cancel()

    @contextmanager
    def ended(self) -> Iterator[None]:
        """A block that ends quietly when it was broken off."""
        try:
            yield
        except asyncio.CancelledError:
            if not self._broken_off:
                raise


class LastResort:
    """Ends the process some time after it was armed, if it is still there then.

    A function of the program may keep the event loop, one that does not let go of its thread keeps the whole process.

    Args:
        end: is given the exit code.

    Attributes:
        thread: waits, and ends when there is no need any more.
    """

    def __init__(self, end: Callable[[int], object] = os._exit) -> None:
        self._end = end
        # To put something into it is safe in a handler of signals, also within another one.
        self._armed = SimpleQueue[float | None]()
        self.thread = threading.Thread(target=self._wait, name="last resort", daemon=True)
        self.thread.start()

    def arm(self, seconds: float) -> None:
        """End the process after so long. Only the first time counts."""
        self._armed.put(seconds)

    def dismiss(self) -> None:
        """There is no need any more, unless it is armed."""
        self._armed.put(None)

    def _wait(self) -> None:
        seconds = self._armed.get()
        if seconds is not None:
            time.sleep(seconds)
            click.echo(f"Error: not everything has stopped within {seconds:g} s; it is left as it is", err=True)
            self._end(ExitCode.FAILED)


@asynccontextmanager
async def obeying_signals(server: Stoppable, *, grace: float) -> AsyncIterator[None]:
    """Take SIGINT and SIGTERM over while the block runs; see `stop_on_signals`. What happens is told on stderr.

    From the first signal on the process ends within `grace` and `CLOSING` seconds.

    Args:
        server: what serves.
        grace: seconds that what is there may take to finish.
    """
    last_resort = LastResort()
    came = False

    def first() -> None:
        nonlocal came
        came = True
        last_resort.arm(grace + CLOSING if server.started else CLOSING)

    try:
        with signals_taken(first=first, last=_leave) as signals:
            said = partial(click.echo, err=True)
            obeying = asyncio.create_task(stop_on_signals(server, signals, said), name="obeys signals")
            try:
                yield
            finally:
                obeying.cancel()
    finally:
        if came:  # the process ends, maybe once some thread has let go of it
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, lambda number, frame: _leave())
        last_resort.dismiss()


async def stop_on_signals(server: Stoppable, signals: Signals, say: Callable[[str], None]) -> None:
    """Have the first signal finish what is served, and a Ctrl-C after it break it off; return then.

    Args:
        server: what serves.
        signals: what came.
        say: is told what happens, in a line.

    Cancel safety: the server stays as it is.
    """
    await signals.next()
    say("finishing what is there; press Ctrl-C again to break off" if server.started else "stopping before the start")
    server.finish()
    while await signals.next() != signal.SIGINT:
        pass  # it finishes already
    say("breaking off; press Ctrl-C again to leave everything as it is")
    signals.interrupt_next()
    server.break_off()


def _leave() -> None:
    click.echo("Error: everything is left as it is", err=True)
    os._exit(ExitCode.CANCELLED)
