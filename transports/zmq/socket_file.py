"""The files of Unix sockets: libzmq replaces one that is in use without a word, and leaves its own behind."""

import os
import socket
from contextlib import suppress
from typing import NamedTuple, Self

import zmq

__all__ = ["SocketFile", "refuse_to_replace"]


def _path(address: str) -> str | None:
    """The file of an address; `None` if it has none, as ``ipc://@name``."""
    scheme, _, path = address.partition("://")
    return path if scheme == "ipc" and path[:1] not in ("@", "*", "") else None


def refuse_to_replace(address: str) -> None:
    """Raise if somebody listens there; a file that a killed process left behind is no harm.

    Raises:
        zmq.ZMQError: somebody does.
    """
    path = _path(address)
    if path is None:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
    raise zmq.ZMQError(zmq.EADDRINUSE)


class SocketFile(NamedTuple):
    """The file of a socket that was bound.

    Attributes:
        path: where it is.
        inode: which one it is: another process may have put its own there since.
    """

    path: str
    inode: int

    @classmethod
    def of(cls, address: str) -> Self | None:
        """The file of a bound address, if it has one."""
        path = _path(address)
        return None if path is None else cls(path, os.stat(path).st_ino)

    def remove(self) -> None:
        """Remove it, unless it is gone or another one."""
        with suppress(OSError):
            if os.stat(self.path).st_ino == self.inode:
                os.unlink(self.path)
