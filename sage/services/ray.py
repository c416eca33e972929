"""Replicas as actors of a Ray cluster."""

import asyncio
from collections.abc import Mapping
from typing import Any

import cloudpickle

from sage.errors import NotAvailable, ServiceUnavailable
from sage.services.context import ServiceContext
from sage.services.definition import ServiceDefinition
from sage.services.handler import HEALTH
from sage.services.ray_actor import ReplicaActor
from sage.services.rpc_replica import RpcReplica
from sage.services.service import MethodKind
from sage.transports.codec import Codec
from sage.transports.ray import RayNotInstalled, ensure_ray_initialized
from sage.transports.ray.cluster import load_ray
from sage.transports.rpc import RpcClient
from sage.transports.zmq import CurveClient, KeyPair

__all__ = ["RayReplica"]

# Calls of the actor itself: one waits for its end, and few others are made.
_ACTOR_CALLS = 8


class RayReplica(RpcReplica):
    """An instance in an actor; see `ray_actor` for the other side.

    Args:
        definition: how to make it.
        context: which replica it is.
    """

    def __init__(self, definition: ServiceDefinition, context: ServiceContext) -> None:
        super().__init__(context.replica_index, definition.name)
        self._definition = definition
        self._actor: Any = None
        self._end: asyncio.Future[Any] | None = None

    async def start(self) -> None:
        """See `Replica.start`.

        Cancel safety: `stop` is called.
        """
        try:
            await asyncio.to_thread(ensure_ray_initialized)  # the first time takes seconds
        except RayNotInstalled as error:
            raise NotAvailable(f"place='ray' needs Ray: pip install 'sage-streams[ray]' ({error})") from None
        ray = load_ray()
        definition = cloudpickle.dumps((self._definition, self.index))
        remote = ray.remote(num_cpus=0, max_concurrency=_ACTOR_CALLS)(ReplicaActor)
        server, client = KeyPair.generate(), KeyPair.generate()
        try:
            self._actor = remote.remote(definition)
            host = await self._actor.host.remote()
            address, methods = await self._actor.start.remote(host, (server.public, server.secret), client.public)
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except ray.exceptions.RayActorError as error:
            raise ServiceUnavailable(f"its actor ended before it had started: {error}") from None
        self.methods = {name: MethodKind[kind] for name, kind in methods.items()}
        self._end = asyncio.ensure_future(self._actor.wait.remote())
        self.client = RpcClient(address, curve=CurveClient(client, server.public), codec=Codec(pickle=True))
        await self.client.connect()

    async def stop(self) -> None:
        """See `Replica.stop`.

        Cancel safety: it is shielded.
        """
        if self.client is not None:
            await self.client.aclose()
        if self._actor is None:
            return
        ray = load_ray()
        actor, self._actor = self._actor, None
        try:
            await actor.stop.remote()
        except ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except ray.exceptions.RayActorError:
            return  # it is what has died
        finally:
            ray.kill(actor)
            if self._end is not None:
                await asyncio.wait([self._end])
                self._end.exception()  # that the actor is gone

    async def died(self) -> str:
        """See `Replica.died`.

        Cancel safety: nothing is lost.
        """
        assert self._end is not None, "a replica that was never started"
        await asyncio.wait([self._end])
        told, *_ = str(self._end.exception()).splitlines()
        return f"its actor is gone: {told}"

    async def health(self) -> Mapping[str, Any]:
        """See `Replica.health`.

        Cancel safety: nothing is lost.
        """
        health: Mapping[str, Any] = await self.call(HEALTH, (), {})
        return health
