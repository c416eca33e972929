"""Sockets that a forked child must not keep: while it did, nobody would notice the death of its parent."""

import os
import socket
from weakref import WeakSet

__all__ = ["leave_behind"]

_left_behind: "WeakSet[socket.socket]" = WeakSet()


def leave_behind(sock: socket.socket) -> socket.socket:
    """Have the socket closed in children that this process forks; return it."""
    _left_behind.add(sock)
    return sock


def _close_in_child() -> None:
    for sock in list(_left_behind):
        sock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
