"""xoscar: lists of records, packed by msgpack, passed to the method of an actor in the other process."""

import asyncio
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.transports.flow import Flow, give, hear, take
from benchmarks.transports.packing import pack, unpack
from benchmarks.transports.stage import Way
from benchmarks.transports.worker import Figures, Port

__all__ = ["lists"]

_UID = "inbox"
#: How many lists may wait for the taker.
_WAITING = 16


def lists(flow: Flow) -> Way:
    """One call of `push` at a time, as several at once overtake each other; the actor fills a bounded queue."""
    return Way("xoscar actor", partial(_take, flow=flow), partial(_give, flow=flow), flow.records)


def _take(port: Port, flow: Flow) -> Figures:
    xoscar: Any = import_module("xoscar")
    inbox: asyncio.Queue[Any] = asyncio.Queue(_WAITING)

    class Inbox(xoscar.StatelessActor):  # type: ignore[misc]  # the package has no types
        async def push(self, some: Any) -> None:
            await inbox.put(some)

    async def program() -> Figures:
        pool = await xoscar.create_actor_pool("127.0.0.1", n_process=0)
        async with pool:
            await xoscar.create_actor(Inbox, uid=_UID, address=pool.external_address)
            port.tell(pool.external_address)

            async def get() -> Any:
                return unpack(await inbox.get())

            return await take(port, flow, get)

    return asyncio.run(program())


def _give(port: Port, flow: Flow) -> Figures:
    xoscar: Any = import_module("xoscar")

    async def program() -> Figures:
        inbox = await xoscar.actor_ref(uid=_UID, address=await hear(port))

        async def put(some: Any) -> None:
            await inbox.push(pack(some))

        return await give(port, flow, put)

    return asyncio.run(program())
