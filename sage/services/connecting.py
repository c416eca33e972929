"""Services of another program: ``async with sage.connect("tcp://...") as services``."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sage.errors import ServiceUnavailable
from sage.services.definition import ServiceDefinition
from sage.services.directory import ServiceDirectory
from sage.services.envelope import opened
from sage.services.exposed import DESCRIBE
from sage.services.rpc_replica import RpcReplica
from sage.services.running import RunningService
from sage.services.service import MethodKind, Service
from sage.transports import TransportError
from sage.transports.rpc import RpcClient
from sage.transports.zmq import CurveClient

__all__ = ["connect"]


@asynccontextmanager
async def connect(
    address: str, *, curve: CurveClient | None = None, timeout: float = 5.0
) -> AsyncIterator[ServiceDirectory]:
    """The services that another program offers with ``sage serve-services``, for the time of the block.

    ::

        async with sage.connect("tcp://127.0.0.1:5999") as services:
            print(await services["echo"].say("hello"))

    Deadlines and cancellation reach the other program. If it goes away, calls fail with `ServiceUnavailable`; later
    ones connect again.

    Args:
        address: where it offers them.
        curve: the keys, which an address beyond this machine needs.
        timeout: seconds that it may leave us without an answer before it is unreachable.

    Raises:
        ServiceUnavailable: nobody answers there.
    """
    client = RpcClient(address, curve=curve, connection_timeout=timeout)
    try:
        try:
            await client.connect()
            described: Mapping[str, Mapping[str, str]] = await client.call(DESCRIBE)
        except TransportError as error:
            raise ServiceUnavailable(f"no services at {address}: {opened(error, address)}") from error
        directory = ServiceDirectory()
        for name, methods in described.items():
            directory.enter(_there(name, methods, client))
        yield directory
    finally:
        await client.aclose()


def _there(name: str, methods: Mapping[str, str], client: RpcClient) -> RunningService:
    replica = _Elsewhere(0, name, f"{name}.")
    replica.client = client
    replica.methods = {method: MethodKind[kind] for method, kind in methods.items()}
    running = RunningService(ServiceDefinition(name, Service, place="zmq"), [replica])
    running.came(replica)
    return running


class _Elsewhere(RpcReplica):
    """A service of another program, which starts and stops it."""

    async def start(self) -> None:
        """It runs already.

        Cancel safety: nothing is awaited.
        """

    async def stop(self) -> None:
        """It goes on without us.

        Cancel safety: nothing is awaited.
        """

    async def died(self) -> str:
        """Never: a connection that is lost is made again.

        Cancel safety: nothing is lost.
        """
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")

    async def health(self) -> Mapping[str, Any]:
        """Whether it can be reached.

        Cancel safety: nothing is lost.
        """
        await self._connected.call(DESCRIBE)
        return {"ok": True}
