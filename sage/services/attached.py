"""Replicas that somebody else starts and stops: they are only called from here."""

import asyncio
from collections.abc import Mapping
from typing import Any

from sage.services.exposed import DESCRIBE
from sage.services.rpc_replica import RpcReplica
from sage.transports.rpc import RpcClient

__all__ = ["AttachedReplica"]


class AttachedReplica(RpcReplica):
    """A service behind a `DirectoryHandler`.

    Args:
        name: the service's name.
        client: the connection to those who have it.
    """

    ended = "the block of sage.connect() was left"

    def __init__(self, name: str, client: RpcClient) -> None:
        super().__init__(0, name, f"{name}.")
        self.client = client

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
