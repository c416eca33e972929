"""Replicas that the program has started in another process, wherever that is; see `process` and `ray`."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import cloudpickle

from sage.errors import ServiceError
from sage.services.away import Invitation
from sage.services.deadline import carried
from sage.services.definition import ServiceDefinition
from sage.services.handler import HEALTH, LEARN
from sage.services.home import Home
from sage.services.neighbour import Neighbour
from sage.services.reporting import BATCHES, read_batches
from sage.services.rpc_replica import RpcReplica
from sage.services.service import MethodKind
from sage.services.statistics import BatchStatistics
from sage.transports import TransportError
from sage.transports.rpc import RpcClient

__all__ = ["ElsewhereReplica"]


class ElsewhereReplica(RpcReplica):
    """A replica in another process, which trusts this program, and is trusted by it.

    Args:
        definition: how to make it.
        index: which of the replicas, from 0.
        home: where it calls the program's other services.
    """

    trusted = True

    def __init__(self, definition: ServiceDefinition, index: int, home: Home) -> None:
        super().__init__(index, definition.name)
        self._definition = definition
        self._home = home
        # The lists of the lives that are over, and of this one.
        self._past: dict[str, BatchStatistics] = {}
        self._counted: dict[str, BatchStatistics] = {}
        self._counting: asyncio.Task[None] | None = None

    @property
    def batches(self) -> Mapping[str, BatchStatistics]:
        """See `Replica.batches`."""
        return _sum(self._past, self._counted)

    async def learn(self, neighbour: Neighbour) -> None:
        """See `Replica.learn`.

        Cancel safety: whether it has learned it is not known.
        """
        if self.client is not None:
            with suppress(TransportError):  # it is gone; the next life learns it when it begins
                await self.client.call(LEARN, neighbour)

    async def health(self) -> Mapping[str, Any]:
        """See `Replica.health`.

        Cancel safety: nothing is lost.
        """
        health: Mapping[str, Any] = await self.call(HEALTH, (), {})
        return health

    def _packed(self, invitation: Invitation) -> bytes:
        """What the other process needs to make it.

        Raises:
            ServiceError: it cannot be taken there.
        """
        try:
            packed: bytes = cloudpickle.dumps((self._definition, self.index, invitation))
        except Exception as error:  # whatever a class of the user's may raise
            raise ServiceError(
                f"with place={self._definition.place!r} its class and arguments go to another process, and these "
                f"cannot be pickled ({error}); make in start() what belongs to one process, or write place='inproc'"
            ) from error
        return packed

    async def _met(self, client: RpcClient, methods: Mapping[str, str], invitation: Invitation) -> None:
        """It runs: connect to it.

        Cancel safety: call `_parted`.
        """
        self.methods = {name: MethodKind[kind] for name, kind in methods.items()}
        self.client = client
        await client.connect()
        self._counting = asyncio.create_task(self._count(), name=f"lists of service {self._definition.name}")
        for neighbour in self._home.neighbours():
            if neighbour not in invitation.neighbours:  # it has started meanwhile
                await self.learn(neighbour)

    async def _parted(self) -> None:
        """Let go of the connection.

        Cancel safety: it is shielded, as `stop` is.
        """
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait([self._counting])
            self._counting = None
        self._past, self._counted = _sum(self._past, self._counted), {}
        if self.client is not None:
            await self.client.aclose()

    async def _count(self) -> None:
        carried(None)  # it is asked for on nobody's behalf
        with suppress(ServiceError):  # it is gone, which `died` tells
            async for told in self.stream(BATCHES, (), {}):
                self._counted = read_batches(told)


def _sum(*parts: Mapping[str, BatchStatistics]) -> dict[str, BatchStatistics]:
    total: dict[str, BatchStatistics] = {}
    for part in parts:
        for method, counted in part.items():
            total.setdefault(method, BatchStatistics()).add(counted)
    return total
