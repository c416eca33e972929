"""A cache in which equal questions, asked at the same time, are asked once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

from sage.errors import GraphError, ServiceUnavailable
from sage.operators.numbers import is_count
from sage.services.deadline import carried

__all__ = ["CacheStatistics", "SingleFlightCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass
class CacheStatistics:
    """What a cache has done.

    Attributes:
        hits: answers that were there.
        joins: questions that waited for the answer to an equal one.
        misses: questions that were asked.
        evictions: answers that made room for others.
    """

    hits: int = 0
    joins: int = 0
    misses: int = 0
    evictions: int = 0


class _Flight(Generic[V]):
    """A question that is being asked.

    Attributes:
        task: asks it; it belongs to the cache, not to who was first.
        waiting: how many want its answer; with the last of them it is given up.
    """

    __slots__ = ("task", "waiting")

    def __init__(self, task: "asyncio.Task[V]") -> None:
        self.task = task
        self.waiting = 0


class SingleFlightCache(Generic[K, V]):
    """Keeps the answers used last, and never asks the same question twice at a time. Make it in a running loop.

    Failures are told to all who wait, and are not kept. What is asked is on nobody's behalf: the deadline of who was
    first does not count for the others, and neither does its cancellation.

    Args:
        ask: gives the answer.
        max_entries: how many answers are kept; 0 for none.
        max_bytes: how large they may be together; `None` for no bound.
        size: how large an answer is, in bytes; needed for `max_bytes`.

    Attributes:
        statistics: what it has done.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(
        self,
        ask: Callable[[K], Awaitable[V]],
        *,
        max_entries: int = 10_000,
        max_bytes: int | None = None,
        size: Callable[[V], int] | None = None,
    ) -> None:
        if not is_count(max_entries, 0):
            raise GraphError(
                f"SingleFlightCache(max_entries={max_entries!r}): write how many answers are kept, 0 or more"
            )
        if max_bytes is not None and (size is None or max_bytes < 0):
            raise GraphError(
                f"SingleFlightCache(max_bytes={max_bytes!r}): write bytes, 0 or more, and size= to count them"
            )
        self.statistics = CacheStatistics()
        self._ask = ask
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._size = size or (lambda answer: 0)
        # The one used last is at the end; with each its size.
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._flights: dict[K, _Flight[V]] = {}
        # Those given up are waited for at the end, too.
        self._tasks: set[asyncio.Task[V]] = set()
        self._context = copy_context()
        self._context.run(carried, None)

    async def get(self, question: K) -> V:
        """The answer: kept, or on its way, or asked for now.

        Cancel safety: when cancelled, what is asked goes on for the others who wait; without any it is cancelled.

        Raises:
            ServiceUnavailable: the cache was closed meanwhile.
            Exception: what `ask` raised.
        """
        kept = self._kept.get(question)
        if kept is not None:
            self.statistics.hits += 1
            self._kept.move_to_end(question)
            return kept[0]
        flight = self._flights.get(question)
        if flight is None:
            flight = self._begin(question)
        else:
            self.statistics.joins += 1
        flight.waiting += 1
        try:
            await asyncio.wait((flight.task,))
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._land(question, flight)  # whoever asks now begins anew
                flight.task.cancel()
        if flight.task.cancelled():
            raise ServiceUnavailable("the cache was closed before the answer had come")
        return flight.task.result()

    async def aclose(self) -> None:
        """Forget everything, and give up what is being asked; whoever waits is told.

        Cancel safety: when cancelled, everything was told to stop, but it was not waited for.
        """
        self._flights.clear()
        self._kept.clear()
        self._bytes = 0
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """How large the answers are together that are kept, in bytes."""
        return self._bytes

    def _begin(self, question: K) -> _Flight[V]:
        self.statistics.misses += 1
        task = asyncio.create_task(self._asked(question), name=f"asking for {question!r:.60}", context=self._context)
        flight = self._flights[question] = _Flight(task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: self._landed(question, flight))
        return flight

    async def _asked(self, question: K) -> V:
        return await self._ask(question)

    def _landed(self, question: K, flight: _Flight[V]) -> None:
        current = self._land(question, flight)
        if not flight.task.cancelled() and flight.task.exception() is None and current:
            self._keep(question, flight.task.result())

    def _land(self, question: K, flight: _Flight[V]) -> bool:
        """Take a flight out; whether it was the one for that question."""
        if self._flights.get(question) is not flight:
            return False
        del self._flights[question]
        return True

    def _keep(self, question: K, answer: V) -> None:
        size = self._size(answer)
        if self._max_bytes is not None and size > self._max_bytes:
            return  # it would put out all others, and then itself
        self._kept[question] = (answer, size)
        self._bytes += size
        while len(self._kept) > self._max_entries or (self._max_bytes is not None and self._bytes > self._max_bytes):
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed
            self.statistics.evictions += 1
