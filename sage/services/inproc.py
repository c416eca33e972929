"""Replicas in this event loop: a call runs in the task of whoever calls, so cancelling it needs nothing more."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
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

    async def start(self) -> None:
        """See `Replica.start`.

        Cancel safety: `stop` is called.
        """
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
        finally:
            current.reset(token)

    async def stream(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """See `Replica.stream`."""
        async with aclosing(self._bound[method](*args, **kwargs)) as items:
            step: Callable[[], Awaitable[Any]] = items.__anext__
            while True:
                # Set for the instance only: between two items this generator's reader runs.
                token = current.set(self._context)
                try:
                    item = await step()
                except StopAsyncIteration:
                    return
                finally:
                    current.reset(token)
                yield item


class _Bound(dict[str, Callable[..., Any]]):
    """The methods of an instance."""

    def __missing__(self, name: str) -> Callable[..., Any]:
        there = ", ".join(sorted(self)) or "none"
        raise UnknownMethod(f"there is no method {name!r} to call; there are: {there}")
