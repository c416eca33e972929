"""What a process has open: counted before and after."""

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

__all__ = ["no_leak"]


class Open(NamedTuple):
    """What is open now."""

    files: int
    threads: int
    tasks: int
    #: Unix sockets of this process that have a name which ZeroMQ made.
    names: int


def _now() -> Open:
    files = [_target(file) for file in os.listdir("/proc/self/fd")]
    with open("/proc/net/unix") as sockets:
        names = sum("@sage-" in line and f"socket:[{line.split()[6]}]" in files for line in sockets)
    return Open(len(files), threading.active_count(), len(asyncio.all_tasks()), names)


def _target(file: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{file}")
    except FileNotFoundError:  # closed since, by a thread of libzmq
        return ""


async def _at_rest() -> Open:
    """What stays open: libzmq frees what a socket used a moment after it was closed."""
    gc.collect()
    same, seen = 0, _now()
    while same < 5:
        await asyncio.sleep(0.005)
        now = _now()
        same, seen = (same + 1, now) if now == seen else (0, now)
    return seen


@asynccontextmanager
async def no_leak(warm_up: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Check that the block leaves nothing open.

    Args:
        warm_up: does the same before: the first use opens what stays for the life of the process.
    """
    await warm_up()
    before = await _at_rest()
    yield
    async with asyncio.timeout(60):
        while any(after > there for after, there in zip(await _at_rest(), before, strict=True)):
            pass
