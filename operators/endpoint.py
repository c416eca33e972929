"""Where requests come into a program."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from sage.operators.calls import Call
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, shorten
from sage.operators.source import Outlet, PushReader, Source, SourceLogic

__all__ = ["Endpoint", "Inlet", "Request"]

T = TypeVar("T")


class Request(NamedTuple):
    """A request on its way in: the value of its record, and its call."""

    value: Any
    call: Call


class Inlet(Protocol):
    """Where the runner takes requests for an endpoint from callers."""

    def connect(self, put: Callable[[Request], Any]) -> None:
        """Give each request to `put`, those that wait already and those that come."""
        ...

    def disconnect(self) -> None:
        """Take no more requests."""
        ...


@dataclass(frozen=True)
class Endpoint(Source[T]):
    """The requests that callers make of the program.

    Args:
        name: what callers ask for.
        fair_by: tells on whose behalf a request is; those of different ones get equal shares. A caller may also say it
            with the request.
    """

    kind: ClassVar[str] = "endpoint"

    name: str
    fair_by: Callable[[T], Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InvalidOperator(f"endpoint({self.name!r}): write a name, a text that is not empty")
        if self.fair_by is not None and not callable(self.fair_by):
            raise InvalidOperator(
                f"endpoint({self.name!r}): fair_by={shorten(self.fair_by)}: "
                f"write a function that tells on whose behalf a request is"
            )

    @property
    def label(self) -> str:
        """Its name."""
        return self.name

    def build(self) -> SourceLogic[T]:
        """See `Source.build`."""
        return _EndpointLogic(self.name)


class _EndpointLogic(SourceLogic[Any], PushReader[Any]):
    def __init__(self, name: str) -> None:
        self._name = name
        self._inlet: Inlet

    async def open(self, context: Any) -> PushReader[Any]:
        self._inlet = context.inlet(self._name)
        return self

    def batch(self, values: list[Any]) -> Batch[Any]:
        requests: list[Request] = values
        return Batch([request.value for request in requests], None, None, [request.call for request in requests])

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]  # a coroutine all the same, and asked for at once
        self, outlet: Outlet[Any]
    ) -> Coroutine[Any, Any, None]:
        # Requests go straight from the caller into the outlet. It has no bound but the admission of requests, which is
        # decided before: so nobody needs to wait for room here. At once, for a drain may come before the first step:
        # what was let in before is answered.
        self._inlet.connect(outlet.put)
        return self._until_cancelled()

    async def close(self) -> None:
        self._inlet.disconnect()

    async def _until_cancelled(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._inlet.disconnect()
