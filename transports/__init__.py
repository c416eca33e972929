"""Awaitable, bounded channels: in process now; over shared memory, ZeroMQ and Ray next. Useful alone.

Read `channel` for the contract, `credit` for flow control, `memory` for the first implementation.
"""

from sage.transports.channel import ChannelDescriptor, ChannelStatistics, ReceiveChannel, SendChannel
from sage.transports.credit import Credit
from sage.transports.errors import (
    BrokenChannel,
    ChannelError,
    ClosedChannel,
    EndOfChannel,
    InvalidChannel,
    ReceiverClosed,
    ReceiverTaken,
    TransportError,
    UnreachableChannel,
    WouldBlock,
)
from sage.transports.memory import MemoryDescriptor, MemoryReceiver, MemorySender

__all__ = [
    "BrokenChannel",
    "ChannelDescriptor",
    "ChannelError",
    "ChannelStatistics",
    "ClosedChannel",
    "Credit",
    "EndOfChannel",
    "InvalidChannel",
    "MemoryDescriptor",
    "MemoryReceiver",
    "MemorySender",
    "ReceiveChannel",
    "ReceiverClosed",
    "ReceiverTaken",
    "SendChannel",
    "TransportError",
    "UnreachableChannel",
    "WouldBlock",
]
