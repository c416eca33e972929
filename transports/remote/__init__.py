"""What transports share whose queue lives at a host and whose other ends live elsewhere.

Read `links` for what a transport must bring, `hosted`, `seats` and `lending` for the host, `sender` (with `purse` and
`want`) and `receiver` for the others.
"""

from sage.transports.remote.descriptor import Host, HostedQueueDescriptor
from sage.transports.remote.hosted import HostedQueue, HostedSender
from sage.transports.remote.links import (
    ConsumerEvents,
    ConsumerLink,
    ConsumerPeer,
    SenderEvents,
    SenderLink,
    SenderPeer,
)
from sage.transports.remote.purse import Purse
from sage.transports.remote.receiver import RemoteReceiver
from sage.transports.remote.seats import ConsumerSeat, ProtocolError, SenderSeat
from sage.transports.remote.sender import RemoteSender

__all__ = [
    "ConsumerEvents",
    "ConsumerLink",
    "ConsumerPeer",
    "ConsumerSeat",
    "Host",
    "HostedQueue",
    "HostedQueueDescriptor",
    "HostedSender",
    "ProtocolError",
    "Purse",
    "RemoteReceiver",
    "RemoteSender",
    "SenderEvents",
    "SenderLink",
    "SenderPeer",
    "SenderSeat",
]
