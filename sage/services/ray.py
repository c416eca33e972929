"""Replicas as actors of a Ray cluster."""

import asyncio
from typing import Any

from sage.errors import NotAvailable, ServiceUnavailable
from sage.services.definition import ServiceDefinition
from sage.services.elsewhere import ElsewhereReplica
from sage.services.home import Home
from sage.services.ray_actor import ReplicaActor
from sage.transports.codec import Codec
from sage.transports.ray import RayNotInstalled, ensure_ray_initialized
from sage.transports.ray.cluster import load_ray
from sage.transports.rpc import RpcClient
from sage.transports.zmq import CurveClient, KeyPair

__all__ = ["RayReplica"]

# Calls of the actor itself: one waits for its end, and few others are made.
_ACTOR_CALLS = 8


class RayReplica(ElsewhereReplica):
    """An instance in an actor; see `ray_actor` for the other side.

    Args:
        definition: how to make it.
        index: which of the replicas, from 0.
        home: where it calls the program's other services.
    """

    def __init__(self, definition: ServiceDefinition, index: int, home: Home) -> None:
        super().__init__(definition, index, home)
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
        invitation = await self._home.invite_from(ray.util.get_node_ip_address())
        definition = self._packed(invitation)
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
        self._end = asyncio.ensure_future(self._actor.wait.remote())
        curve = CurveClient(client, server.public)
        await self._met(RpcClient(address, curve=curve, codec=Codec(pickle=True)), methods, invitation)

    async def stop(self) -> None:
        """See `Replica.stop`.

        Cancel safety: it is shielded.
        """
        await self._parted()
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
