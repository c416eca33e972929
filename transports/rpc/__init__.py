"""Calls between processes: one answer or a stream of them, with deadlines, cancellation and flow control.

Read `wire` for what passes between the two sides, `client` and `server` for how to use them, `errors` for what can go
wrong. Services stand on this.

::

    RpcClient ── PendingCall, RpcStream ── Connection ── Outbox ~~~▶ RpcServer ── Runner ── RpcHandler
                                                         ▲~~~~~~~~~~ Outbox ◀──── ServedCall ◀─┘
"""

from sage.transports.rpc.client import RpcClient
from sage.transports.rpc.errors import (
    ClosedRpc,
    ConnectionLost,
    DeadlineExceeded,
    Overloaded,
    RemoteError,
    RpcError,
    ServerRefused,
    ServerUnreachable,
    UnknownMethod,
    WrongCall,
)
from sage.transports.rpc.failures import StandIn, register_error
from sage.transports.rpc.handler import Methods, RpcCall, RpcHandler
from sage.transports.rpc.server import RpcServer, RpcServerStatistics
from sage.transports.rpc.stream import RpcStream

__all__ = [
    "ClosedRpc",
    "ConnectionLost",
    "DeadlineExceeded",
    "Methods",
    "Overloaded",
    "RemoteError",
    "RpcCall",
    "RpcClient",
    "RpcError",
    "RpcHandler",
    "RpcServer",
    "RpcServerStatistics",
    "RpcStream",
    "ServerRefused",
    "ServerUnreachable",
    "StandIn",
    "UnknownMethod",
    "WrongCall",
    "register_error",
]
