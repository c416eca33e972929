"""Runs a source by itself, as the runtime would."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sage.operators.source import Outlet, PullReader, PushReader, Source

__all__ = ["Reading", "SourceContext", "reading"]


@dataclass
class SourceContext:
    """What a source is opened with. The budget is endless, so that no test depends on how quick the machine is."""

    batch_size: int = 1024
    budget: float = float("inf")
    name: str = "source"
    subtask_index: int = 0
    parallelism: int = 1
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("tests.source"))


class Reading:
    """A source that is open."""

    def __init__(self, reader: PullReader[Any] | PushReader[Any], context: SourceContext) -> None:
        self._reader = reader
        self._context = context
        self._woken = asyncio.Event()
        self.outlet: Outlet[Any] = Outlet(context.batch_size, context.budget, self._woken.set)
        self.producer: asyncio.Task[None] | None = None

    @property
    def pull(self) -> PullReader[Any]:
        assert isinstance(self._reader, PullReader)
        return self._reader

    def start(self) -> None:
        """Let a `PushReader` produce."""
        assert isinstance(self._reader, PushReader)
        self.producer = asyncio.create_task(self._reader.run(self.outlet))
        self.producer.add_done_callback(lambda _: self._woken.set())

    async def batch(self) -> list[Any]:
        """The next records, all that are there; none at the end."""
        if isinstance(self._reader, PullReader):
            return self._reader.read(self._context.batch_size)
        if self.producer is None:
            self.start()
        assert self.producer is not None
        while not len(self.outlet) and not self.producer.done():
            self._woken.clear()
            await self._woken.wait()
        if not len(self.outlet):
            await self.producer
        return self.outlet.take()

    async def batches(self) -> list[list[Any]]:
        """All that is left, as it comes."""
        found = []
        while batch := await self.batch():
            found.append(batch)
        return found

    async def values(self) -> list[Any]:
        """All that is left."""
        return [value for batch in await self.batches() for value in batch]

    async def drain(self) -> None:
        """Stop the producer."""
        if self.producer is not None and not self.producer.done():
            self.producer.cancel()
            await asyncio.wait([self.producer])


@asynccontextmanager
async def reading(source: Source[Any], **settings: Any) -> AsyncIterator[Reading]:
    """Open a source, and close it at the end of the block."""
    context = SourceContext(**settings)
    logic = source.build()
    opened: Reading | None = None
    try:
        opened = Reading(await logic.open(context), context)
        yield opened
    finally:
        if opened is not None:
            await opened.drain()
        await logic.close()
