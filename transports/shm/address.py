"""Where a host is found: the name of its socket, and the machine on which alone that name means anything."""

import os
import socket
import struct
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Peer", "new_name", "of_this_user", "peer_of", "socket_address", "this_machine"]

_CREDENTIALS: Final = struct.Struct("3i")
_PREFIX: Final = "sage-"


class Peer(NamedTuple):
    """Who is at the other side of a Unix socket, as the kernel tells it."""

    pid: int
    uid: int


def new_name() -> str:
    """A name for a socket that nobody has."""
    return _PREFIX + os.urandom(8).hex()


def socket_address(name: str) -> bytes:
    """The abstract address of a name: it is gone with the socket, and nothing lies in the file system."""
    return b"\0" + name.encode()


def this_machine() -> str:
    """Tells this machine, and this network namespace of it, from others: abstract addresses are seen within one."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{Path('/proc/self/ns/net').stat().st_ino}"


def peer_of(sock: socket.socket) -> Peer:
    """Who has connected the other end, or listens there."""
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid)


def of_this_user(peer: Peer) -> bool:
    """Whether the peer runs under the same user as this process: nobody else is spoken to."""
    return peer.uid == os.geteuid()
