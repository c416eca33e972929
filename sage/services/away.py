"""The other services of the program, for a service that runs in a process of its own; `home` is the other side.

A call goes home to the program, which has its limits and its replicas, and from there on. Its deadline goes along, and
cancelling it cancels it there. Any number of calls share the one connection, none waits for another, and so services
may call one another in circles.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from sage.services.attached import AttachedReplica
from sage.services.definition import ServiceDefinition
from sage.services.directory import ServiceDirectory
from sage.services.neighbour import Neighbour, known_as
from sage.services.running import RunningService
from sage.services.service import Service
from sage.transports import TransportError
from sage.transports.codec import Codec
from sage.transports.rpc import RpcClient
from sage.transports.zmq import CurveClient

__all__ = ["AwayServices", "Invitation"]


@dataclass(frozen=True)
class Invitation:
    """What a replica is given when it starts, to call home.

    Args:
        address: where the program listens.
        curve: the keys for that; none is needed on one machine.
        neighbours: the services there are.
    """

    address: str
    curve: CurveClient | None
    neighbours: tuple[Neighbour, ...]


class AwayServices(ServiceDirectory):
    """Finds and calls the services of the program from another process. The first call connects.

    Args:
        invitation: what the program has sent.
    """

    def __init__(self, invitation: Invitation) -> None:
        super().__init__()
        self._client = RpcClient(invitation.address, curve=invitation.curve, codec=Codec(pickle=True))
        self._type_names: dict[str, str | None] = {}
        for neighbour in invitation.neighbours:
            self.learn(neighbour)

    def learn(self, neighbour: Neighbour) -> None:
        """A service has started, or is known better."""
        name = neighbour.name
        self._type_names[name] = neighbour.type_name
        if name not in self:
            replica = _AtHome(name, self._client)
            running = RunningService(ServiceDefinition(name, Service, place=neighbour.place), [replica])
            running.came(replica)
            self.enter(running)
        self._running[name].methods = neighbour.methods

    async def aclose(self) -> None:
        """Make no more calls.

        Cancel safety: it does not wait.
        """
        await self._client.aclose()

    def _names_of(self, which: type[Service]) -> list[str]:
        return [name for name, there in self._type_names.items() if there == known_as(which)]


class _AtHome(AttachedReplica):
    """One of those services."""

    trusted = True
    ended = "this service was stopped"
    _arrived = False

    async def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """See `Replica.call`."""
        await self._reached(method)
        return await super().call(method, args, kwargs)

    async def stream(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """See `Replica.stream`."""
        await self._reached(method)
        async with aclosing(super().stream(method, args, kwargs)) as items:
            async for item in items:
                yield item

    async def _reached(self, method: str) -> None:
        """Connect, if that was not done yet. All who come meanwhile wait for the same connection."""
        if not self._arrived:
            try:
                await self._connected.connect()
            except TransportError as error:
                raise self._opened(error, method) from None
            self._arrived = True
