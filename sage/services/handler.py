"""The seam between the RPC server of a process and the replica that runs in it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from sage.services.away import AwayServices
from sage.services.deadline import carried
from sage.services.envelope import wrapped
from sage.services.finding import current_services
from sage.services.inproc import InprocReplica
from sage.services.reporting import BATCHES, told_batches
from sage.services.service import MethodKind
from sage.transports.rpc import RpcCall, UnknownMethod

__all__ = ["HEALTH", "LEARN", "ReplicaHandler"]

#: What asks the replica itself how it is, and tells it of another service; no method of a service has such a name.
HEALTH = "_health"
LEARN = "_learn"


class ReplicaHandler:
    """Implements `RpcHandler` for one replica.

    Args:
        replica: it has started.
        services: the other services of its program.
    """

    def __init__(self, replica: InprocReplica, services: AwayServices) -> None:
        self._replica = replica
        self._services = services

    def call(self, method: str, args: list[Any], kwargs: dict[str, Any], call: RpcCall) -> Any:
        """See `RpcHandler.call`."""
        if method == HEALTH:
            return self._replica.health()
        if method == LEARN:
            return self._services.learn(*args)
        if method == BATCHES:
            return told_batches(self._replica.gatherers)
        kind = self._replica.methods.get(method)
        if kind is None:
            there = ", ".join(sorted(self._replica.methods)) or "none"
            raise UnknownMethod(f"there is no such method; there are: {there}", method=method)
        run = self._stream if kind is MethodKind.STREAM else self._call
        return run(method, args, kwargs, call.deadline)

    async def _call(self, method: str, args: list[Any], kwargs: dict[str, Any], deadline: float | None) -> Any:
        self._begin(deadline)
        try:
            return await self._replica.call(method, tuple(args), kwargs)
        except Exception as error:
            raise wrapped(error)  # noqa: B904 - it has its cause

    async def _stream(
        self, method: str, args: list[Any], kwargs: dict[str, Any], deadline: float | None
    ) -> AsyncGenerator[Any, None]:
        self._begin(deadline)
        try:
            async with aclosing(self._replica.stream(method, tuple(args), kwargs)) as items:
                async for item in items:
                    yield item
        except Exception as error:
            raise wrapped(error)  # noqa: B904 - it has its cause

    def _begin(self, deadline: float | None) -> None:
        carried(deadline)
        current_services.set(self._services)
