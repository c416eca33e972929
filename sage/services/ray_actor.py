"""The actor in which a replica runs on a Ray cluster: Ray starts it and tells when it dies; calls go past Ray.

Calls go to an `RpcServer` in the actor, over ZeroMQ with keys that Ray has carried: a call through Ray itself takes
five to ten times as long, and does not stream with credit.
"""

import asyncio
from typing import Any

import cloudpickle

from sage.services.away import AwayServices
from sage.services.context import ServiceContext
from sage.services.finding import current_services
from sage.services.handler import ReplicaHandler
from sage.services.inproc import InprocReplica
from sage.transports.codec import Codec
from sage.transports.ray.cluster import load_ray
from sage.transports.rpc import RpcServer
from sage.transports.zmq import CurveServer, KeyPair

__all__ = ["ReplicaActor"]


class ReplicaActor:
    """Holds one replica; made by `ray.remote`.

    Args:
        definition: what was registered, which replica it is, and its invitation home, pickled.
    """

    def __init__(self, definition: bytes) -> None:
        made, index, invitation = cloudpickle.loads(definition)
        self._services = AwayServices(invitation)
        context = ServiceContext(made.name, index, made.replicas, self._services)
        self._replica = InprocReplica(made, context)
        self._server: RpcServer | None = None

    async def start(self, host: str, keys: tuple[str, str], client: str) -> tuple[str, dict[str, str]]:
        """Start the replica; return where it can be called, and its methods.

        Cancel safety: the actor is killed then.

        Args:
            host: the address of this node.
            keys: the pair of the server.
            client: the public key of the one caller.
        """
        current_services.set(self._services)
        await self._replica.start()
        curve = CurveServer.allowing(KeyPair(*keys), [client])
        handler = ReplicaHandler(self._replica, self._services)
        server = RpcServer(handler, f"tcp://{host}:0", curve=curve, codec=Codec(pickle=True))
        address = await server.start()
        self._server = server
        return address, {name: kind.name for name, kind in self._replica.methods.items()}

    async def wait(self) -> None:
        """Never return: whoever awaits it learns when the actor is gone.

        Cancel safety: nothing is lost.
        """
        await asyncio.Event().wait()

    async def stop(self) -> Any:
        """Stop the replica.

        Cancel safety: the actor is killed then.
        """
        if self._server is not None:
            await self._server.aclose()
        current_services.set(self._services)
        try:
            await self._replica.stop()
        finally:
            await self._services.aclose()

    def host(self) -> str:
        """The address of the node that this actor runs on."""
        address: str = load_ray().util.get_node_ip_address()
        return address
