"""What callers hold: a service as an object with its methods."""

from collections.abc import Callable
from typing import Any

from sage.services.running import RunningService
from sage.services.service import LIFE_CYCLE, MethodKind

__all__ = ["ServiceProxy"]


class ServiceProxy:
    """A service of the running program.

    ::

        answer = await proxy.say("hello")
        async for token in proxy.tokens("hello"): ...

    Methods are looked up when they are called, so the error for one that is not there lists those that are.
    """

    __slots__ = ("__dict__", "_service")

    def __init__(self, service: RunningService) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):  # asked by copy, pickle and the like
            raise AttributeError(name)
        service = self._service
        if service.methods.get(name) is MethodKind.STREAM:

            def stream(*args: Any, **kwargs: Any) -> Any:
                return service.stream(name, args, kwargs)

            method: Callable[..., Any] = stream
        else:

            def call(*args: Any, **kwargs: Any) -> Any:
                return service.call(name, args, kwargs)  # to be awaited

            method = call
        if name in service.methods and name not in LIFE_CYCLE:
            self.__dict__[name] = method  # found directly from now on
        return method

    def __dir__(self) -> list[str]:
        return sorted(self._service.methods)

    def __repr__(self) -> str:
        return f"<service {self._service.definition.name!r}: {', '.join(sorted(self._service.methods))}>"
