"""Where services in other processes call the other services of their program; `away` is the other side."""

import asyncio
from typing import Any

from sage.services.away import Invitation
from sage.services.directory import ServiceDirectory
from sage.services.envelope import wrapped
from sage.services.exposed import DirectoryHandler
from sage.services.neighbour import Neighbour, known_as
from sage.services.running import RunningService
from sage.transports.codec import Codec
from sage.transports.rpc import RpcServer
from sage.transports.zmq import CurveClient, CurveServer, KeyPair

__all__ = ["Home"]


class Home:
    """Listens for them, from the first invitation on.

    Args:
        services: what they may call.
    """

    def __init__(self, services: ServiceDirectory) -> None:
        self._services = services
        self._lock = asyncio.Lock()
        self._local: RpcServer | None = None
        self._wide: RpcServer | None = None
        self._curve: CurveClient | None = None

    async def invite(self) -> Invitation:
        """What a process of this user on this machine needs to call home.

        Cancel safety: nothing is lost.
        """
        async with self._lock:
            if self._local is None:
                self._local = await self._listen("ipc://*")
        return Invitation(self._local.address, None, self.neighbours())

    async def invite_from(self, host: str) -> Invitation:
        """What a process on another machine needs, keys among it: it has to be carried in a way that is safe.

        Args:
            host: the address of this machine.

        Cancel safety: nothing is lost.
        """
        async with self._lock:
            if self._wide is None:
                ours, theirs = KeyPair.generate(), KeyPair.generate()
                self._curve = CurveClient(theirs, ours.public)
                self._wide = await self._listen(f"tcp://{host}:0", CurveServer.allowing(ours, [theirs.public]))
        return Invitation(self._wide.address, self._curve, self.neighbours())

    def neighbours(self) -> tuple[Neighbour, ...]:
        """All services of the program, as far as they are known now."""
        return tuple(map(_neighbour, self._services.running()))

    async def introduce(self, running: RunningService) -> None:
        """Tell all that are away of a service that has started, unless they knew it before.

        Cancel safety: some may not have been told.
        """
        if running.definition.service_type is None:  # nobody could know what a factory makes
            others = [replica for other in self._services.running() for replica in other.replicas]
            await asyncio.gather(*(replica.learn(_neighbour(running)) for replica in others))

    async def aclose(self) -> None:
        """Listen no more; calls that are under way are cancelled.

        Cancel safety: it is shielded by whoever closes services.
        """
        for server in (self._local, self._wide):
            if server is not None:
                # Behind `aclose` libzmq would free the address a moment later, when whoever closed it has gone on.
                assert server._socket is not None
                await server._socket.unbind()
                await server.aclose()
        self._local = self._wide = None

    async def _listen(self, address: str, curve: CurveServer | None = None) -> RpcServer:
        # Only this user's processes can reach it, or those that have the keys: values may be pickled.
        handler = DirectoryHandler(self._services, outgoing=wrapped)
        server = RpcServer(handler, address, curve=curve, codec=Codec(pickle=True))
        await server.start()
        return server


def _neighbour(running: RunningService) -> Neighbour:
    """A service as others know it."""
    definition = running.definition
    registered: Any = definition.service_type
    name = None if registered is None else known_as(registered)
    return Neighbour(definition.name, definition.place, name, running.methods)
