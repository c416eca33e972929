"""Where a server listens, and who may know."""

import ipaddress
import socket

from sage.errors import GraphError

__all__ = ["check_exposed", "is_loopback", "listen"]

#: Bytes that the kernel holds of what a client has not taken yet. Left to itself it takes megabytes, and a client that
#: reads nothing would be noticed only behind thousands of tokens.
_SEND_BUFFER = 1 << 18


def check_exposed(host: str, *, guarded: bool, insecure: bool) -> None:
    """Refuse to listen where strangers can reach a server that lets everybody in.

    Args:
        host: where it is to listen.
        guarded: whether it asks for API keys.
        insecure: whether the user said that it may be reached all the same.

    Raises:
        GraphError: strangers could use it.
    """
    if guarded or insecure or is_loopback(host):
        return
    raise GraphError(
        f"host {host!r} is beyond this machine, and the server asks for no API key: give it keys "
        f"(--keys FILE, or auth= where the app is made), or say --insecure if only friends can reach it"
    )


def listen(host: str, port: int, *, stall: float = 60.0) -> socket.socket:
    """A listening socket; with port 0 on any port that is free.

    Args:
        host: a name or an address.
        port: its number.
        stall: seconds for which a client may take nothing before the kernel gives its connection up.

    Raises:
        OSError: it cannot be listened there.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listening = socket.create_server(address[:2], family=family, backlog=1024)
    # Connections take these over from the socket that accepts them.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(stall * 1000))
    return listening


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
