"""The actor in which a replica runs on a Ray cluster: Ray starts it and tells when it dies; calls go past Ray.

Calls go to an `RpcServer` in the actor, over ZeroMQ with keys that Ray has carried: a call through Ray itself takes
five to ten times as long, and does not stream with credit.
"""

import asyncio
from typing import Any

import cloudpickle

from sage.services.context import ServiceContext
from sage.services.handler import ReplicaHandler
from sage.services.inproc import InprocReplica
from sage.services.manager import Services
from sage.transports.codec import Codec
from sage.transports.ray.cluster import load_ray
from sage.transports.rpc import RpcServer
from sage.transports.zmq import CurveServer, KeyPair

__all__ = ["ReplicaActor"]


class ReplicaActor:
    """Holds one replica; made by `ray.remote`.

    Args:
        definition: what was registered, pickled, and which replica it is.
    """

    def __init__(self, definition: bytes) -> None:
        made, index = cloudpickle.loads(definition)
        context = ServiceContext(made.name, index, made.replicas, Services([]))
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
        await self._replica.start()
        curve = CurveServer.allowing(KeyPair(*keys), [client])
        server = RpcServer(ReplicaHandler(self._replica), f"tcp://{host}:0", curve=curve, codec=Codec(pickle=True))
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
        await self._replica.stop()

    def host(self) -> str:
        """The address of the node that this actor runs on."""
        address: str = load_ray().util.get_node_ip_address()
        return address
