"""Descriptors that remember the lines of their ends, and when these lines are quiet."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast
from weakref import WeakSet

from sage.transports.ray import RayQueueDescriptor, RayReceiver
from sage.transports.ray.actor import QueueActor
from sage.transports.ray.line import Line
from sage.transports.ray.sender import RaySender, RaySenderLink

__all__ = ["SeenDescriptor", "quiet"]

_lines: "WeakSet[Line]" = WeakSet()


class SeenDescriptor(RayQueueDescriptor[Any]):
    """A descriptor whose ends are waited for by `quiet`."""

    async def open_receiver(self) -> RayReceiver[Any]:
        receiver = await super().open_receiver()
        _lines.add(receiver._line)
        return receiver

    async def open_sender(self) -> RaySender[Any]:
        sender = await super().open_sender()
        _lines.add(cast(RaySenderLink, sender._link)._line)
        return sender

    async def open_consumer(self) -> RayReceiver[Any]:
        consumer = await super().open_consumer()
        _lines.add(consumer._line)
        return consumer


def _told(actor: QueueActor, end: str) -> int | None:
    """How many answers an end was given, and `None` while there is more to tell; runs in the actor."""
    caller = actor._callers.get(end)
    if caller is None:
        return -1
    if caller._news is not None:  # the wait for more news is cut short
        caller._news.cancel()
        caller._tell_news()
    return None if caller._events or caller._overdue else caller._answer


def _open() -> Iterator[Line]:
    loop = asyncio.get_running_loop()
    return (line for line in list(_lines) if line._loop is loop and not line._down.done())


async def _is_quiet(line: Line) -> bool:
    ray_call = line._actor.__ray_call__
    told = await ray_call.remote(_told, line._end)
    return line._down.done() or (line.idle and told in (line._heard, -1))


async def quiet() -> None:
    """Return when nothing is under way: all lines were found quiet twice, and nothing was said in between."""
    rounds = 0
    while rounds < 2:
        before = [(line._number, line._heard) for line in _open()]
        calm = all([await _is_quiet(line) for line in _open()])
        for _ in range(10):
            await asyncio.sleep(0)
        after = [(line._number, line._heard) for line in _open()]
        rounds = rounds + 1 if calm and before == after else 0
