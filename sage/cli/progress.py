"""Runs a program in front of a person: progress, Ctrl-C, and how it ended."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

import anyio
from anyio import to_thread
from rich.console import Console

from sage.cli.lines import Lines
from sage.cli.live import LiveTable
from sage.cli.measure import History, JobProgress, OperatorProgress, Snapshot
from sage.cli.signals import drain_on_signals, signals_taken
from sage.environment import Environment
from sage.jobs import Job, JobResult

__all__ = ["run_with_progress"]

# On a terminal: seconds between two looks, and over how many rates are taken, so that they can be read.
_REFRESH = 0.2
_WINDOW = 1.0


class _Display(AbstractContextManager[Any], Protocol):
    """What shows progress. All of it may be called in a thread."""

    def show(self, progress: JobProgress) -> None:
        """Show how the job gets on."""
        ...

    def say(self, message: str) -> None:
        """Show a message of one line."""
        ...

    def finish(self, progress: JobProgress) -> None:
        """Show how the job ended; called after the block."""
        ...


async def run_with_progress(
    env: Environment, console: Console, *, interval: float = 5.0, live: bool | None = None, summary: bool = True
) -> JobResult:
    """Run a program to its end and show how it gets on.

    The first Ctrl-C, or SIGTERM, drains the job, and a further Ctrl-C cancels it.

    Args:
        env: the program.
        console: where to show it; with ``Console(quiet=True)`` nothing is shown.
        interval: seconds between two lines for each operator, where there is no table.
        live: whether to show a table that is drawn anew; `None` to do so on a terminal.
        summary: whether to show at the end what each operator did.

    Cancel safety: the job is cancelled, and the terminal is as it was before.

    Raises:
        GraphError: the program cannot run.
        JobFailed: an operator failed.
        JobCancelled: Ctrl-C was pressed twice.
    """
    on_terminal = (console.is_interactive and console.file.isatty() and not console.quiet) if live is None else live
    display: _Display = LiveTable(console) if on_terminal else Lines(console)
    watch = _Watch(display, _REFRESH, _WINDOW) if on_terminal else _Watch(display, interval, 0.0)
    with signals_taken() as signals:
        async with env.start() as job:
            with display:
                async with anyio.create_task_group() as group:
                    group.start_soon(watch.run, job)
                    group.start_soon(drain_on_signals, job, signals, display.say)
                    await _ended(job)
                    group.cancel_scope.cancel()
            if summary:
                await watch.finish(job)
            return await job.wait()


class _Watch:
    """Looks at a job from time to time."""

    def __init__(self, display: _Display, interval: float, window: float) -> None:
        self._display = display
        self._interval = interval
        self._history = History(window)

    async def run(self, job: Job) -> None:
        """Show progress until it is cancelled.

        Cancel safety: what is being shown is shown to the end.
        """
        self._look(job)
        while True:
            await anyio.sleep(self._interval)
            self._look(job)
            # Not in the event loop: a terminal that stands still would hold up the job.
            await to_thread.run_sync(self._display.show, _progress(job, self._history.lately()))

    async def finish(self, job: Job) -> None:
        """Show how the job ended.

        Cancel safety: it is shown.
        """
        self._look(job)
        await to_thread.run_sync(self._display.finish, _progress(job, self._history.overall()))

    def _look(self, job: Job) -> None:
        self._history.add(Snapshot(job.duration, job.statistics()))


def _progress(job: Job, operators: list[OperatorProgress]) -> JobProgress:
    return JobProgress(job.name, job.status, job.duration, operators)


async def _ended(job: Job) -> None:
    ended = anyio.Event()
    job.on_end(ended.set)
    await ended.wait()
