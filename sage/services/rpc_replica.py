"""Replicas that are reached by remote calls, wherever they run."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from sage.errors import ServiceUnavailable
from sage.services.deadline import current_deadline
from sage.services.described import Described
from sage.services.envelope import Raised, opened
from sage.services.replica import NotBegun, Replica
from sage.transports import TransportError
from sage.transports.rpc import ClosedRpc, ConnectionLost, RpcClient, RpcError

__all__ = ["RpcReplica"]

# Unread items of a stream that a caller allows.
_WINDOW = 1024


class RpcReplica(Replica):
    """A replica behind an `RpcClient`.

    Args:
        index: which of the replicas, from 0.
        name: the service's name, for errors.
        prefix: what stands before the names of its methods at the server.

    Attributes:
        client: the connection, once there is one.
        trusted: whether errors that the other side has pickled are read. Never set it for a peer that may be anybody.
        known: classes of errors that others may raise here, by qualified name.
        ended: what happened when there is no connection any more.
    """

    trusted = False
    ended = "its process has gone, or the service was stopped"
    known: Mapping[str, type[Exception]] = {}

    def __init__(self, index: int, name: str, prefix: str = "") -> None:
        super().__init__(index)
        self.client: RpcClient | None = None
        self._service = name
        self._prefix = prefix

    async def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """See `Replica.call`."""
        while True:
            try:
                return await self._connected.call(
                    self._prefix + method, *args, kwargs=kwargs or None, deadline=current_deadline()
                )
            except (TransportError, Raised, Described) as error:
                if not _unsent(error):
                    raise self._opened(error, method) from None

    async def stream(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """See `Replica.stream`."""
        while True:
            try:
                async with self._connected.stream(
                    self._prefix + method, *args, kwargs=kwargs or None, window=_WINDOW, deadline=current_deadline()
                ) as items:
                    async for item in items:
                        yield item
                return
            except (TransportError, Raised, Described) as error:
                if not _unsent(error):
                    raise self._opened(error, method) from None

    def _opened(self, error: Exception, method: str) -> Exception:
        name = f"{self._service}.{method}"
        if isinstance(error, ClosedRpc):
            made: Exception = ServiceUnavailable(f"{name}: {self.ended}")
        else:
            made = opened(error, name, trusted=self.trusted, known=self.known)
        if isinstance(error, RpcError) and not error.begun:
            return NotBegun(str(made))
        return made

    @property
    def _connected(self) -> RpcClient:
        assert self.client is not None, "a call of a replica that has not started"
        return self.client


def _unsent(error: Exception) -> bool:
    """Whether the connection was lost when it was to be sent: the next attempt connects again."""
    return isinstance(error, ConnectionLost) and not error.begun
