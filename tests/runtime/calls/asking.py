"""What the tests of calls share: asking, and looking at what is left afterwards."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest import mock

import sage
from sage.runtime.calls import asking as sage_asking
from sage.runtime.calls.running import RunningCall
from sage.testing import assert_nothing_left

__all__ = ["Hall", "asking", "read", "turns"]


async def read(answer: Any) -> list[Any]:
    """The whole answer."""
    return [part async for part in answer]


async def turns(number: int = 50) -> None:
    """Let everything that is ready run."""
    for _ in range(number):
        await asyncio.sleep(0)


class Hall:
    """A running program, and all calls that were made of it.

    Args:
        job: the job.
        calls: of all requests that were let in, in order.
    """

    def __init__(self, job: "sage.Job", calls: list[RunningCall]) -> None:
        self.job = job
        self.calls = calls

    async def ask(self, endpoint: str, *requests: Any, **options: Any) -> list[Any]:
        """The whole answers to requests made at the same time; an error is an answer, too."""
        asked = (read(self.job.stream(endpoint, request, **options)) for request in requests)
        return [*await asyncio.gather(*asked, return_exceptions=True)]

    async def settled(self) -> None:
        """Wait until nothing of any call is inside, which must come by itself; and look at every call."""
        while self.job.open_calls:
            await asyncio.sleep(0.001)
        self.check()

    def check(self) -> None:
        """No call has anything inside."""
        assert self.job.open_calls == 0
        assert [(call.live, call.held) for call in self.calls] == [(0, 0)] * len(self.calls)
        assert not any(call._kills or call._crowds or call._holders for call in self.calls)


@asynccontextmanager
async def asking(env: "sage.Environment") -> AsyncIterator[Hall]:
    """Run a program; at the end nothing of its calls may be left inside, and nothing at all behind."""
    with _recorded() as calls:
        async with assert_nothing_left(), env.start() as job:
            hall = Hall(job, calls)
            yield hall
            if job.status == "running":
                async with asyncio.timeout(60):
                    await hall.settled()


@contextmanager
def _recorded() -> Iterator[list[RunningCall]]:
    calls: list[RunningCall] = []

    class Recorded(RunningCall):
        __slots__ = ()

        def __init__(self, name: str, **options: Any) -> None:
            super().__init__(name, **options)
            calls.append(self)

    with mock.patch.object(sage_asking, "RunningCall", Recorded):
        yield calls
