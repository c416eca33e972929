"""Connecting to the host of a queue in shared memory."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

from sage.transports.codec import Codec
from sage.transports.errors import AccessDenied, ConnectError
from sage.transports.remote.seats import ProtocolError
from sage.transports.shm.address import of_this_user, peer_of, socket_address, this_machine
from sage.transports.shm.forks import leave_behind
from sage.transports.shm.greeting import Greeting, receive_greeting, send_greeting
from sage.transports.shm.links import HostNames, ShmConsumerLink, ShmSenderLink
from sage.transports.shm.messages import CONSUMER, SENDER, Hello, Welcome, read_welcome
from sage.transports.shm.segment import Layout, Segment, create_segment, map_segment
from sage.transports.shm.wire import Wire

__all__ = ["Where", "connect_consumer", "connect_sender"]

# Seconds until a host is tried again at whose door too many stand; it doubles each time.
_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.1

_NO_MEMORY: Final = Layout(0, 0)


class Where(NamedTuple):
    """Where a queue is to be found.

    Attributes:
        channel: its name.
        address: the same for errors.
        socket: the name of its host's socket.
        machine: the machine on which the host lives.
        patience: how long, in seconds, to wait for the host's answer.
    """

    channel: str
    address: str
    socket: str
    machine: str
    patience: float

    def refused(self, reason: str) -> ConnectError:
        """What to raise when there is no connection."""
        return ConnectError(reason, channel=self.channel, address=self.address)


async def connect_sender(where: Where, sender_id: str | None, layout: Layout) -> tuple[ShmSenderLink, Welcome]:
    """Connect to the host as a sender, whose memory is divided as `layout` tells.

    Cancel safety: when cancelled, nothing stays open.

    Raises:
        ConnectError: it cannot be reached in time, or refuses.
    """
    with _errors_told(where):
        segment, memory = create_segment(layout)
        with _closed_on_error(segment):
            with _closed(memory):
                sock, greeting = await _meet(where, Hello(SENDER, where.channel, sender_id, layout), memory)
            with closing(greeting), _closed_on_error(sock):
                welcome = read_welcome(greeting.message)
                wire = Wire(sock, greeting.unpacker)
                return ShmSenderLink(_names(where, sock), wire, segment), welcome


async def connect_consumer(where: Where, codec: Codec) -> tuple[ShmConsumerLink, Welcome]:
    """Connect to the host as a consumer.

    Cancel safety: when cancelled, nothing stays open.

    Raises:
        ConnectError: it cannot be reached in time, or refuses.
    """
    with _errors_told(where):
        sock, greeting = await _meet(where, Hello(CONSUMER, where.channel, None, _NO_MEMORY), None)
        with closing(greeting), _closed_on_error(sock):
            welcome = read_welcome(greeting.message)
            segment = map_segment(greeting.memory(), welcome.layout)
            wire = Wire(sock, greeting.unpacker)
            return ShmConsumerLink(_names(where, sock), wire, segment, codec), welcome


async def _meet(where: Where, hello: Hello, memory: int | None) -> tuple[socket.socket, Greeting]:
    """Connect, say hello and wait for the answer."""
    sock = leave_behind(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    with _closed_on_error(sock):
        sock.setblocking(False)
        async with asyncio.timeout(where.patience):
            await _reach(sock, where)
            _check_user(sock, where)
            send_greeting(sock, hello.packed(), memory)
            return sock, await receive_greeting(sock)


async def _reach(sock: socket.socket, where: Where) -> None:
    pause = _FIRST_PAUSE
    while True:
        try:
            sock.connect(socket_address(where.socket))
        except BlockingIOError:  # as many stand at its door as the system allows; nothing tells when one has entered
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            return


def _why_nobody_listens(where: Where) -> str:
    if where.machine != this_machine():
        return (
            "its host is on another machine, or in another network namespace: shared memory works within one; "
            "use create_queue('rpc')"
        )
    return "nobody listens there: its host is gone, or has closed it"


def _check_user(sock: socket.socket, where: Where) -> None:
    """Anyone can take an abstract address that is free: what is sent must not go to another user."""
    peer = peer_of(sock)
    if not of_this_user(peer):
        raise AccessDenied(
            f"process {peer.pid}, which listens there, runs under user {peer.uid}, not under {os.geteuid()}",
            channel=where.channel,
            address=where.address,
        )


def _names(where: Where, sock: socket.socket) -> HostNames:
    return HostNames(where.channel, where.address, peer_of(sock).pid)


@contextmanager
def _errors_told(where: Where) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise where.refused(f"its host did not answer within {where.patience:g} s") from error
    except (ProtocolError, ValueError) as error:
        raise where.refused(f"its host cannot be used: {error}") from error
    except ConnectionError as error:
        raise where.refused(_why_nobody_listens(where)) from error
    except OSError as error:
        raise where.refused(f"the connection failed: {error}") from error


@contextmanager
def _closed(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _closed_on_error(thing: socket.socket | Segment) -> Iterator[None]:
    try:
        yield
    except BaseException:
        thing.close()
        raise
