"""Addresses of queues, and which of them may be used without keys."""

import ipaddress
import os
import socket
from typing import NamedTuple, Self

from sage.transports.errors import InvalidChannel

__all__ = ["ANY", "Endpoint"]

#: What `endpoint` is of a queue that is to get a name of its own on this machine when it is hosted.
ANY = "ipc://*"


class Endpoint(NamedTuple):
    """Where a queue lives: a TCP host and port, or a Unix socket.

    Attributes:
        host: the name or address by which others reach the machine; empty for a Unix socket.
        port: the port, 0 for one that is chosen when the queue is hosted.
        path: the Unix socket: a path, ``@`` and a name that has no file, or ``*`` for such a name that is chosen when
            the queue is hosted. Empty over TCP.
    """

    host: str
    port: int
    path: str

    @classmethod
    def tcp(cls, queue: str, host: object, port: object) -> Self:
        """The endpoint of a TCP host and port.

        Raises:
            InvalidChannel: they cannot be.
        """
        if not isinstance(host, str) or not host or "/" in host or host == "*":
            raise InvalidChannel(f"channel {queue!r}: host={host!r} is not the name or address of a machine")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
            raise InvalidChannel(f"channel {queue!r}: port={port!r} is not a port; give 0 for any, or 1 to 65535")
        return cls(host, port, "")

    @classmethod
    def parse(cls, queue: str, endpoint: object) -> Self:
        """The endpoint of an address as ZeroMQ writes it, e.g. ``ipc://@orders``.

        Raises:
            InvalidChannel: it is not such an address.
        """
        if isinstance(endpoint, str):
            scheme, _, place = endpoint.partition("://")
            if scheme == "ipc" and place.strip("@"):
                return cls("", 0, place)
            host, colon, port = place.rpartition(":")
            if scheme == "tcp" and colon and port.isdecimal():
                return cls.tcp(queue, host.strip("[]"), int(port))
        raise InvalidChannel(
            f"channel {queue!r}: endpoint={endpoint!r} is not an address; give 'ipc://*' for any name on this machine, "
            f"'ipc://@name', 'ipc:///a/path', or host= and port="
        )

    def __str__(self) -> str:
        if self.path:
            return f"ipc://{self.path}"
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"

    @property
    def settled(self) -> bool:
        """Whether it says where the queue is, or will be: nothing is left to be chosen."""
        return bool(self.port) or self.path not in ("", "*")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def unsettled(self) -> Self:
        """The same kind of place for another queue."""
        return self._replace(path="*") if self.path else self._replace(port=0)

    def bindable(self, interface: str | None = None) -> str:
        """The address that a socket can bind: a number in place of a name, a new name in place of ``*``.

        It looks the host's name up, which may take a while.

        Args:
            interface: the address to bind instead of the host, e.g. ``0.0.0.0``.

        Raises:
            OSError: no machine has that name.
        """
        if self.path:
            return str(self._replace(path=f"@sage-{os.urandom(8).hex()}") if self.path == "*" else self)
        found = socket.getaddrinfo(interface or self.host, None, type=socket.SOCK_STREAM)
        number = next((entry[4][0] for entry in found if entry[0] == socket.AF_INET), found[0][4][0])
        return str(self._replace(host=str(number)))
