"""Finds what a piece of a program leaves behind: tasks, threads, open files and sockets."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from sage.testing.outside import is_idle_worker
from sage.testing.waiting import describe

__all__ = ["assert_nothing_left"]

_OPEN_FILES = Path("/proc/self/fd")


@asynccontextmanager
async def assert_nothing_left() -> AsyncIterator[None]:
    """Fail when tasks, threads, files or sockets of the block are left when it ends.

    Not counted are daemon threads, idle threads that anyio keeps, the threads of the loop's default executor, and
    what has no name in the file system (event and timer descriptors). Files are looked at where ``/proc/self/fd``
    exists, on Linux. An error raised inside the block is passed on, and nothing is checked.

    Cancel safety: a block that was cancelled is not checked.

    Raises:
        AssertionError: with the name of everything that is left.
    """
    before = _Present()
    yield
    left = _Present().since(before)
    if left:
        raise AssertionError("left behind:" + "".join(f"\n  {name}" for name in left))


class _Present:
    """What there is at one moment."""

    def __init__(self) -> None:
        self.tasks = asyncio.all_tasks()
        self.threads = set(threading.enumerate())
        self.files = dict(_open_files())

    def since(self, before: "_Present") -> list[str]:
        """The names of what there is now and was not there before."""
        tasks = self.tasks - before.tasks - {asyncio.current_task()}
        threads = filter(_counts, self.threads - before.threads)
        files = self.files.items() - before.files.items()
        return [
            *sorted(f"task {describe(task)}" for task in tasks),
            *sorted(f"thread {thread.name}" for thread in threads),
            *(f"descriptor {number}: {target}{_address(number)}" for number, target in sorted(files)),
        ]


def _counts(thread: threading.Thread) -> bool:
    # asyncio names the threads of the default executor so.
    return not (thread.daemon or is_idle_worker(thread) or thread.name.startswith("asyncio_"))


def _open_files() -> Iterator[tuple[int, str]]:
    """Each descriptor with what it stands for: a path, or a kind and a number."""
    names = [entry.name for entry in _OPEN_FILES.iterdir()] if _OPEN_FILES.is_dir() else []
    for name in names:
        try:
            target = os.readlink(_OPEN_FILES / name)
        except FileNotFoundError:
            continue  # the folder itself, open while it was read
        if not target.startswith("anon_inode:"):
            yield int(name), target


def _address(number: int) -> str:
    """Where a socket is bound, to tell whose it is."""
    try:
        with socket.socket(fileno=os.dup(number)) as end:
            return f" {end.getsockname()!r}"
    except OSError:  # not a socket, or closed by another thread just now
        return ""
