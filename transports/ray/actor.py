"""The actor that holds one queue. It runs in a process of its own, which all ends of the queue call.

::

    end                                         actor
    join(end, role, who, [hold])  ───────────▶  a seat; `hold` is a call of the end's own that stays open
    submit(end, n, messages)      ───────────▶  frames, requests, acknowledgements; answered when they are done
    listen(end, n)                ◀───────────  answered when there is something to tell
    hold(end)                                   its owner is the end's process: Ray tells when that dies

All of it runs on one event loop. Calls that wait are parked, so the number of calls at once is high.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from sage.transports.ray.caller import Answer, Consumer, Message, Sender
from sage.transports.ray.frame_queue import FrameQueue
from sage.transports.ray.standing import Standing

__all__ = ["CONCURRENCY", "Joined", "QueueActor"]

#: How many calls an actor must be able to hold open: each end keeps up to eight.
CONCURRENCY = 10_000


class Joined(NamedTuple):
    """What an end is told when it has its seat."""

    #: How many records the queue holds; `None` for no bound.
    capacity: int | None


class QueueActor:
    """One queue and who sits at it.

    Args:
        name: the channel's name.
        address: where it lives, for errors.
        capacity: how many records it holds; `None` for no bound.
    """

    def __init__(self, name: str, address: str, capacity: int | None) -> None:
        self._queue = FrameQueue(name, address, capacity)
        self._callers: dict[str, Sender | Consumer] = {}
        # Who hosts the queue, and is told how it stands.
        self._host: Consumer | None = None
        self._holds: dict[str, asyncio.Future[None]] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()

    async def join(self, end: str, role: str, who: str, held: Sequence[Any]) -> Joined | None:
        """Take a new end in; `None` when the queue is being closed.

        Args:
            end: its identity.
            role: "sender", "consumer" or "host".
            who: its process, for errors.
            held: its call of `hold`, not awaited.
        """
        if self._queue.unwanted:
            return None

        def gone() -> None:
            self._leave(end)

        caller: Sender | Consumer
        if role == "sender":
            caller = Sender(self._queue, who, gone)
        else:
            caller = Consumer(self._queue, who, gone, role == "host")
            if role == "host":
                self._host = caller
        self._callers[end] = caller
        watch = asyncio.create_task(self._watch(caller, held[0]))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return Joined(self._queue.credit.capacity)

    async def hold(self, end: str) -> None:
        """Stay open until the end is gone."""
        await self._held(end)
        del self._holds[end]

    async def submit(self, end: str, number: int, messages: list[Message]) -> Standing | None:
        """Do what an end says; see `Caller.submit`. Tell how the queue stands; `None` when the end is gone."""
        caller = self._callers.get(end)
        if caller is None:
            return None
        standing = await caller.submit(number, messages)
        if self._host is not None and caller is not self._host:
            self._host.news()
        return standing

    async def listen(self, end: str, number: int) -> Answer | None:
        """Wait for something to tell to an end; `None` when the end is gone."""
        caller = self._callers.get(end)
        return None if caller is None else await caller.listen(number)

    async def close(self) -> None:
        """Drop what is queued, tell all ends, and wait until they have heard and left."""
        self._queue.close_receiver()
        for caller in self._callers.values():
            caller.tell("closed")
        if self._callers:
            await self._empty.wait()

    def _held(self, end: str) -> "asyncio.Future[None]":
        """Done when the end is gone."""
        return self._holds.setdefault(end, asyncio.get_running_loop().create_future())

    def _leave(self, end: str) -> None:
        del self._callers[end]
        self._held(end).set_result(None)
        if not self._callers:
            self._empty.set()

    async def _watch(self, caller: Sender | Consumer, held: Any) -> None:
        """Notice when the process of an end dies."""
        try:
            await held
        except Exception as error:
            caller.lost(f"its process is gone ({type(error).__name__})")
            if self._host is not None:
                self._host.news()
