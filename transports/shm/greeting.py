"""The first message of each side, with the memory that comes beside it."""

import array
import asyncio
import os
import socket
from typing import Any, Final, NamedTuple

from msgpack.exceptions import UnpackException

from sage.transports.remote.seats import ProtocolError
from sage.transports.shm.messages import new_unpacker

__all__ = ["Greeting", "receive_greeting", "send_greeting"]

_READ_BYTES: Final = 1 << 14
_NOTHING: Final = object()
_ONE_DESCRIPTOR: Final = socket.CMSG_SPACE(array.array("i").itemsize)


class Greeting(NamedTuple):
    """What the other side said first; close it.

    Attributes:
        message: the message.
        descriptors: the file descriptors that came beside it.
        unpacker: what came behind it.
    """

    message: object
    descriptors: list[int]
    unpacker: Any

    def memory(self) -> int:
        """The file descriptor of the memory that came beside it; it is closed with the greeting.

        Raises:
            ProtocolError: there is none, or not only one.
        """
        if len(self.descriptors) != 1:
            raise ProtocolError(f"it passed {len(self.descriptors)} file descriptors, not 1")
        return self.descriptors[0]

    def close(self) -> None:
        """Close all file descriptors that came."""
        _close(self.descriptors)


def send_greeting(sock: socket.socket, greeting: bytes, descriptor: int | None = None) -> None:
    """Send the first message, with a file descriptor beside it.

    Raises:
        OSError: the other side is gone.
    """
    rights = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
    if sock.sendmsg([greeting], rights) != len(greeting):  # nothing was sent before, and it is small
        raise BlockingIOError("the socket has no room for a greeting")


async def receive_greeting(sock: socket.socket) -> Greeting:
    """Wait for the first message of the other side.

    Cancel safety: what came of it is lost; no file descriptor is left open.

    Raises:
        ProtocolError: there is none, or it is no message.
        OSError: the connection broke.
    """
    unpacker = new_unpacker()
    descriptors: list[int] = []
    try:
        while True:
            await _readable(sock)
            content, beside, _, _ = sock.recvmsg(_READ_BYTES, _ONE_DESCRIPTOR, socket.MSG_CMSG_CLOEXEC)
            for level, kind, numbers in beside:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    descriptors += array.array("i", numbers)
            if not content:
                raise ProtocolError("it closed the connection without a word")
            try:
                unpacker.feed(content)
                message = next(unpacker, _NOTHING)
            except (ValueError, UnpackException) as error:
                raise ProtocolError(f"it sent bytes that are no message: {error!r:.100}") from error
            if message is not _NOTHING:
                return Greeting(message, descriptors, unpacker)
    except BaseException:
        _close(descriptors)
        raise


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(sock.fileno(), tell)
    try:
        await readable
    finally:
        loop.remove_reader(sock.fileno())


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
