"""Progress on a terminal: a table that stays below what the program prints."""

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from threading import Lock
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sage.cli.measure import JobProgress
from sage.cli.table import JobTable

__all__ = ["LiveTable", "PrintedAbove"]

# Characters that are held back for the next refresh, at most.
_HELD_BACK = 65_536


class LiveTable:
    """Shows progress as a table that is drawn anew.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        # By itself it would draw the table for each line that is printed: too much for a program that prints a lot.
        self._live = Live(
            Text(), console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._above: list[PrintedAbove] = []
        self._exits = ExitStack()
        self._note = "Ctrl-C drains the job"

    def __enter__(self) -> "LiveTable":
        with ExitStack() as exits:
            exits.enter_context(self._live)
            for name in ("stdout", "stderr"):
                if getattr(sys, name).isatty():
                    self._above.append(exits.enter_context(PrintedAbove(name, self._console)))
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()

    def show(self, progress: JobProgress) -> None:
        """Draw the table anew, and print above it what the program has printed."""
        for printed in self._above:
            printed.release()
        self._live.update(JobTable(progress, self._note), refresh=True)

    def say(self, message: str) -> None:
        """Show a line below the table, from the next time on."""
        self._note = message

    def finish(self, progress: JobProgress) -> None:
        """Print how the job ended; the table is gone by now."""
        self._console.print(JobTable(progress), end="")


class PrintedAbove:
    """Stands in for ``sys.stdout`` or ``sys.stderr``: holds back what is printed until the table is drawn anew.

    In all else it is the true stream.

    Args:
        name: ``"stdout"`` or ``"stderr"``.
        console: the one that holds the table.
    """

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._console = console
        self._stream: TextIO = getattr(sys, name)
        self._parts: list[str] = []
        self._size = 0
        # Functions print in threads, too.
        self._lock = Lock()

    @property
    def rich_proxied_file(self) -> TextIO:
        """The true stream: a rich console that finds this one in its place writes there."""
        return self._stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> "PrintedAbove":
        setattr(sys, self._name, self)
        return self

    def __exit__(self, *error: object) -> None:
        setattr(sys, self._name, self._stream)
        self.release(everything=True)

    def write(self, text: str) -> int:
        """Hold `text` back. When there is a lot of it, print it: who prints faster than the terminal has to wait."""
        with self._lock:
            self._parts.append(text)
            self._size += len(text)
            if self._size > _HELD_BACK:
                self._print()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """See `write`."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Nothing: the next refresh is not far off."""

    def release(self, *, everything: bool = False) -> None:
        """Print all whole lines, or everything."""
        with self._lock:
            if self._parts:
                self._print(everything=everything)

    def _print(self, *, everything: bool = False) -> None:
        text = "".join(self._parts)
        whole = len(text) if everything else text.rfind("\n") + 1
        if whole:
            self._console.out(text[:whole].removesuffix("\n"), highlight=False)
        self._parts, self._size = [text[whole:]], len(text) - whole
