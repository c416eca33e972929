"""What is called, and how whoever has it offers it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import sage

__all__ = ["Bench", "Called", "Opens", "called", "sage_at"]

#: Says what it was given.
Echo = Callable[[int], Awaitable[int]]


class Bench(sage.Service):
    """What is called."""

    async def echo(self, value: int) -> int:
        return value

    async def nap(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def items(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    @sage.batched(max_size=64, max_wait=0.001)
    async def gathered(self, values: list[int]) -> list[int]:
        return values


@dataclass(frozen=True)
class Called:
    """What one way can do; what it has no means for is `None`.

    Args:
        echo: one call.
        many: a call, of which many may be under way at a time.
        items: a stream of so many numbers.
        nap: a call that lasts so many seconds.
        gathered: a call that is gathered with others into a list.
        notes: what the reader has to know of this way.
    """

    echo: Echo
    many: Echo | None = None
    items: Callable[[int], AsyncIterator[int]] | None = None
    nap: Callable[[float], Awaitable[None]] | None = None
    gathered: Echo | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)


#: Starts what is called, for the time of a block.
Opens = Callable[[], AbstractAsyncContextManager[Called]]


def called(bench: Bench) -> Called:
    """Everything that a `Bench`, or a proxy of one, can do."""
    return Called(bench.echo, bench.echo, bench.items, bench.nap, bench.gathered)


@asynccontextmanager
async def sage_at(place: str) -> AsyncIterator[Called]:
    """A service of sage in one of its places."""
    env = sage.Environment("benchmark")
    env.register_service("bench", Bench, place=place)
    async with env.services() as services:
        yield called(services["bench"])
