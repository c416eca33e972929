"""Ends that reach the host over the wire, though it is in the same process; and when the wire is quiet."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast
from weakref import WeakSet

from sage.transports import ChannelDescriptor
from sage.transports.remote import RemoteSender
from sage.transports.zmq import RPCQueueDescriptor
from sage.transports.zmq.connection import Connection
from sage.transports.zmq.links import ZmqSenderLink
from sage.transports.zmq.wire import Kind

__all__ = ["far_senders", "open_far_sender", "quiet"]

far_senders: "WeakSet[RemoteSender[Any]]" = WeakSet()


async def open_far_sender(descriptor: ChannelDescriptor[Any], *, sender_id: str | None = None) -> RemoteSender[Any]:
    """A sender that reaches the host as one of another process does."""
    far = RPCQueueDescriptor[Any].from_dict(descriptor.to_dict(), local=False)
    sender = cast(RemoteSender[Any], await far.open_sender(sender_id=sender_id))
    far_senders.add(sender)
    return sender


def _connections() -> Iterator[Connection]:
    loop = asyncio.get_running_loop()
    for sender in far_senders:
        connection = cast(ZmqSenderLink, sender._link)._connection
        if connection._loop is loop and not connection._socket.closed:
            yield connection


async def _round_trip(connection: Connection) -> None:
    """Return when the host has had all that was sent, and what it said to that is here."""
    socket, came = connection._socket, asyncio.Event()
    on_message = socket._on_message

    def spy(message: list[Any]) -> None:
        on_message(message)
        came.set()

    socket._on_message = spy
    try:
        connection.stream.note(Kind.HEARTBEAT, 1)
        while not came.is_set() and not socket.closed:
            async with asyncio.timeout(60):
                await came.wait()
    finally:
        socket._on_message = on_message


def _counts() -> list[tuple[int, int]]:
    return [(c.stream._outgoing.last, c.stream._incoming.received) for c in _connections()]


async def quiet() -> None:
    """Return when nothing is under way: two round trips on all connections, with nothing said beside them."""
    rounds = 0
    while rounds < 2:
        before = _counts()
        await asyncio.gather(*map(_round_trip, list(_connections())))
        for _ in range(5):
            await asyncio.sleep(0)
        rounds = rounds + 1 if _counts() == before else 0
