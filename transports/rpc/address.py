"""Where servers may be, and which of them need keys: the rule of all ZeroMQ endpoints."""

from sage.transports.errors import InvalidChannel
from sage.transports.zmq import CurveClient, CurveServer
from sage.transports.zmq.endpoint import Endpoint

__all__ = ["checked_endpoint"]


def checked_endpoint(address: str, curve: CurveClient | CurveServer | None) -> Endpoint:
    """The endpoint of an address, if it may be used with these keys.

    Raises:
        InvalidChannel: it is no address, or other machines can reach it and there are no keys.
    """
    scheme, _, place = str(address).partition("://")
    if not place or scheme not in ("tcp", "ipc") or (scheme == "tcp" and not place.rpartition(":")[2].isdecimal()):
        raise InvalidChannel(
            f"{address!r} is not an address; write 'tcp://HOST:PORT', or on one machine 'ipc://@NAME' or 'ipc:///A/PATH'"
        )
    endpoint = Endpoint.parse("rpc", address)
    if curve is None and not endpoint.local:
        raise InvalidChannel(
            f"{address} can be reached from other machines, so it needs keys: "
            "curve=CurveServer.allowing(keys, clients) at the server, curve=CurveClient(keys, server) at the client"
        )
    return endpoint
