"""Functions that block, run in a thread while the event loop goes on."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: object, limiter: anyio.CapacityLimiter | None = None) -> T:
    """Call `function` in a thread and return its result.

    Args:
        function: what to call; it may block.
        args: what to call it with.
        limiter: how many threads may run at a time; `None` for the limit that all of the loop share.

    Cancel safety: a thread cannot be interrupted, so a cancelled call still waits for the function to return. Whoever
    is cancelled may thus let go of what the function works on. The result is lost; an error becomes the cause of the
    cancellation.
    """
    # A task of its own: cancelling the one that waits would leave the thread behind.
    call = asyncio.ensure_future(anyio.to_thread.run_sync(function, *args, limiter=limiter))
    try:
        await asyncio.wait([call])
    except asyncio.CancelledError as cancelled:
        with anyio.CancelScope(shield=True):
            await _ended(call)
        raise cancelled from call.exception()
    return call.result()


async def _ended(call: "asyncio.Future[T]") -> None:
    while not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:  # being told twice makes the thread no quicker
            continue
