"""Services by name: what callers look in."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, TypeVar, overload

from sage.errors import UnknownService
from sage.services.proxy import ServiceProxy
from sage.services.running import RunningService
from sage.services.service import MethodKind, Service
from sage.services.statistics import ServiceStatistics

__all__ = ["ServiceDirectory"]

S = TypeVar("S", bound=Service)


class ServiceDirectory:
    """Finds and calls services. Implements `ServiceManager`."""

    def __init__(self) -> None:
        self._running: dict[str, RunningService] = {}
        self._proxies: dict[str, ServiceProxy] = {}

    def enter(self, running: RunningService) -> None:
        """One service more."""
        self._running[running.definition.name] = running
        self._proxies[running.definition.name] = ServiceProxy(running)

    def __getitem__(self, name: str) -> Any:
        """The service of that name, with its methods.

        Raises:
            UnknownService: there is none.
        """
        self.named(name)
        return self._proxies[name]

    def named(self, name: str) -> RunningService:
        """The service of that name, with all there is to know of it.

        Raises:
            UnknownService: there is none.
        """
        if name not in self._running:
            there = ", ".join(self._running) or "none: register one with env.register_service"
            raise UnknownService(f"there is no service {name!r}; there is {there}")
        return self._running[name]

    def __contains__(self, name: object) -> bool:
        return name in self._proxies

    @overload
    def find(self, which: str) -> Any: ...
    @overload
    def find(self, which: type[S]) -> S: ...
    def find(self, which: str | type[Service]) -> Any:
        """The service that was registered under this name, or with this class.

        Raises:
            UnknownService: there is none, or several of that class.
        """
        if isinstance(which, str):
            return self[which]
        names = self._names_of(which)
        if len(names) != 1:
            label = getattr(which, "__name__", repr(which))
            problem = f"registered as {', '.join(names)}: write the name" if names else "not registered"
            raise UnknownService(f"{label} is {problem}; there is {', '.join(self._proxies) or 'no service'}")
        return self._proxies[names[0]]

    async def call(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a service and return its answer.

        Cancel safety: cancelling the call cancels it at the service.

        Raises:
            ServiceError: the call could not be made, or was given up.
            Exception: what the service raised.
        """
        return await self.named(service).call(method, args, kwargs)

    def stream(
        self, service: str, method: str, /, *args: Any, **kwargs: Any
    ) -> AbstractAsyncContextManager[AsyncGenerator[Any, None]]:
        """The stream with which a service answers, closed with the block: ``async with services.stream(...) as items``.

        Raises:
            UnknownService: there is no such service.
        """
        return aclosing(self.named(service).stream(method, args, kwargs))

    def running(self) -> tuple[RunningService, ...]:
        """All services, in the order in which they were registered."""
        return tuple(self._running.values())

    def methods(self) -> dict[str, Mapping[str, MethodKind]]:
        """What can be called, by service."""
        return {name: running.methods for name, running in self._running.items()}

    def statistics(self) -> dict[str, ServiceStatistics]:
        """What each service has done until now, by name; see `ServiceStatistics`."""
        return {name: running.told() for name, running in self._running.items()}

    def _names_of(self, which: type[Service]) -> list[str]:
        """The services that were registered with this class."""
        return [name for name, running in self._running.items() if running.definition.service_type is which]
