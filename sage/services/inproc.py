"""Replicas in this event loop: a call runs in the task of whoever calls, so cancelling it needs nothing more."""

import asyncio
from asyncio import current_task
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import CoroutineType
from typing import Any

from sage.current import current
from sage.errors import ServiceError, UnknownMethod
from sage.services.batching import Gatherer
from sage.services.context import ServiceContext
from sage.services.definition import ServiceDefinition
from sage.services.replica import Replica
from sage.services.service import Service, methods_of
from sage.services.statistics import BatchStatistics
from sage.services.under_way import UnderWay

__all__ = ["InprocReplica"]


class InprocReplica(Replica):
    """An instance in this event loop.

    Args:
        definition: how to make it.
        context: what it may ask about itself.
    """

    def __init__(self, definition: ServiceDefinition, context: ServiceContext) -> None:
        super().__init__(context.replica_index)
        self._definition = definition
        self._context = context
        self._instance: Service | None = None
        self._bound: Mapping[str, Callable[..., Any]] = {}
        self._under_way = UnderWay(definition.name)
        # Those that have begun.
        self._streams: dict[object, _Reading] = {}
        self._stopped = False

    async def start(self) -> None:
        """See `Replica.start`.

        Cancel safety: `stop` is called.
        """
        self._stopped = False
        token = current.set(self._context)
        try:
            made: Any = self._definition.make(*self._definition.args, **self._definition.kwargs)
            if not isinstance(made, Service):
                if isinstance(made, CoroutineType):
                    made.close()
                raise ServiceError(f"its factory gave {made!r}; return an instance of a subclass of sage.Service")
            self._instance = made
            await made.start()
            self.methods = methods_of(type(self._instance))
            # What gathers calls is made here, and works on behalf of this service, whoever calls.
            self._bound = _Bound({name: getattr(self._instance, name) for name in self.methods})
            self._under_way.settle()
        finally:
            current.reset(token)

    async def stop(self) -> None:
        """See `Replica.stop`.

        Cancel safety: it is shielded.
        """
        if self._instance is None:
            return
        token = current.set(self._context)
        try:
            await self._end_streams()
            await self._context.aclose()
            for gatherer in self.gatherers.values():
                await gatherer.aclose()
            await self._instance.stop()
        finally:
            current.reset(token)

    async def died(self) -> str:
        """See `Replica.died`.

        Cancel safety: nothing is lost.
        """
        await asyncio.Event().wait()
        raise AssertionError("a replica in this process does not die alone")

    async def health(self) -> Mapping[str, Any]:
        """See `Replica.health`.

        Cancel safety: nothing is lost.
        """
        assert self._instance is not None, "the health of a replica that has not started"
        return await self._instance.health()

    @property
    def gatherers(self) -> Mapping[str, Gatherer[Any, Any]]:
        """What gathers the calls of its batched methods, by method."""
        found: dict[str, Gatherer[Any, Any]] = getattr(self._instance, "_sage_gatherers", {})
        return found

    @property
    def batches(self) -> Mapping[str, BatchStatistics]:
        """See `Replica.batches`."""
        return {name: gatherer.statistics for name, gatherer in self.gatherers.items()}

    async def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """See `Replica.call`."""
        token = current.set(self._context)
        try:
            return await self._bound[method](*args, **kwargs)
        except asyncio.CancelledError as error:
            self._check_cancelled(method, error)
            raise
        finally:
            current.reset(token)

    async def stream(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """See `Replica.stream`."""
        under_way = self._under_way
        this = under_way.begin()
        try:
            items: AsyncGenerator[Any, None] = self._bound[method](*args, **kwargs)
            self._streams[this] = reading = _Reading(items, under_way.tasks[this])
            under_way.tasks[this] = None  # until it is known whether its reader waits in here
            step: Callable[[], Awaitable[Any]] = items.__anext__
            try:
                while not self._stopped:
                    # Set for the instance only: between two items this generator's reader runs.
                    token = current.set(self._context)
                    try:
                        item = await step()
                    except StopAsyncIteration:
                        return
                    finally:
                        current.reset(token)
                    if this not in under_way.tasks:
                        break  # it was cancelled, and has kept that to itself
                    reading.inside = False
                    yield item
                    reading.inside = True
                    if not reading.known:
                        reading.know()
            finally:
                under_way.finish(this)
                await self._close(this)
        except asyncio.CancelledError as error:
            if under_way.end(this):
                raise under_way.stopped(method) from None
            self._check_cancelled(method, error)
            raise
        finally:
            under_way.end(this)
        raise under_way.stopped(method)

    def _check_cancelled(self, method: str, error: asyncio.CancelledError) -> None:
        """A method was cancelled.

        Raises:
            ServiceError: nobody has cancelled its caller, whose task it runs in. It would look so, and would end there.
        """
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            raise ServiceError(f"{self._definition.name}.{method} raised CancelledError: {error}") from error

    async def _end_streams(self) -> None:
        self._stopped = True
        tasks = self._under_way.tasks
        for stream, reading in self._streams.items():
            if reading.inside and stream in tasks:
                tasks[stream] = reading.task
        await self._under_way.stop()
        for stream in list(self._streams):
            await self._close(stream)

    async def _close(self, stream: object) -> None:
        """Close what the instance has made for a stream, unless somebody does that already."""
        reading = self._streams.pop(stream, None)
        if reading is None:
            return
        token = current.set(self._context)
        try:
            await reading.items.aclose()
        finally:
            current.reset(token)


class _Reading:
    """A stream that has begun, and the task that reads it, which may change from item to item.

    To ask for the running task costs as much as a fifth of an item. So it is asked once in a turn of the loop: who
    takes the stream over from another is woken by that one, and comes behind the end of its turn.

    Args:
        items: what the instance has made.
        task: that which begins it.

    Attributes:
        inside: its reader waits for the instance; else it does something else.
        known: `task` is who reads it.
    """

    __slots__ = ("_loop", "inside", "items", "known", "task")

    def __init__(self, items: AsyncGenerator[Any, None], task: "asyncio.Task[Any] | None") -> None:
        self._loop = asyncio.get_running_loop()
        self.items = items
        self.task = task
        self.inside = True
        self.known = False

    def know(self) -> None:
        """Look who reads it."""
        self.task = current_task(self._loop)
        self.known = True
        self._loop.call_soon(self._forget)

    def _forget(self) -> None:
        self.known = False


class _Bound(dict[str, Callable[..., Any]]):
    """The methods of an instance."""

    def __missing__(self, name: str) -> Callable[..., Any]:
        there = ", ".join(sorted(self)) or "none"
        raise UnknownMethod(f"there is no method {name!r} to call; there are: {there}")
