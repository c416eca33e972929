"""Whether the client is still there. It is watched from before any work to the end of the response.

::

    where the client may leave        what waits then           what stops it
    ──────────────────────────        ─────────────────────     ──────────────
    queued                            admission                 the watcher
    before the first token            the answer                the watcher
    mid-stream                        the answer                the watcher
    blocked in send                   the connection            the watcher; if it says nothing, the stall deadline
    not streaming                     the whole answer          the watcher
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

__all__ = ["LAST_WORDS", "Message", "Presence", "Receive", "Scope", "Send"]

#: Seconds in which a client that is there can take what it is told when its request is broken off.
LAST_WORDS = 1.0

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Presence:
    """A block that is cancelled when the client goes away, and then ends quietly: ``async with Presence(receive)``.

    Args:
        receive: the connection, its request read to the end.
    """

    def __init__(self, receive: Receive) -> None:
        #: Why the client is taken for gone: ``"disconnected"`` or ``"stalled"``; `None` as long as it is there.
        self.lost: str | None = None
        self._receive = receive
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._cancelling = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        self._watcher = asyncio.create_task(self._watch(), name="watches a client")
        return self

    def lose(self, why: str) -> None:
        """Take the client for gone: cancel the block. Harmless the second time."""
        if self.lost is None and self._task is not None:
            self.lost = why
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        task, watcher = self._task, self._watcher
        assert task is not None
        assert watcher is not None
        self._task = None  # nothing is cancelled behind the block
        watcher.cancel()
        await asyncio.wait([watcher])
        if self.lost is None:
            if not watcher.cancelled() and watcher.exception() is not None and error is None:
                watcher.result()
            return False
        # The block was cancelled by this; whether by somebody else as well is what the count tells, as in
        # `asyncio.timeout`.
        return task.uncancel() <= self._cancelling and kind is asyncio.CancelledError

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # a part of the body behind its end, which there cannot be
        self.lose("disconnected")
