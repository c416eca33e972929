"""The asyncio tasks that the functions of one operator, or service, have started through their context."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio

__all__ = ["Started"]


class Started:
    """Tasks that whoever started them may await, or forget. They end with the operator or service: it owns them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run a coroutine beside its owner."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def wait(self) -> None:
        """Wait until all have ended.

        Cancel safety: they go on.
        """
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """Cancel those that still run, and wait until they have ended.

        Cancel safety: it is shielded from the job's own cancellation.
        """
        if self._tasks:
            for task in self._tasks:
                task.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait(self._tasks)
