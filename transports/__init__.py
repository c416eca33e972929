"""Awaitable, bounded channels: in process now; over shared memory, ZeroMQ and Ray next. Useful alone.

Read `channel` for the contract, `credit` for flow control, `memory` for the first implementation.

All but the errors is loaded when it is first used, so that a program loads the transports it consists of.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from sage.transports.channel import ChannelDescriptor, ChannelStatistics, ReceiveChannel, SendChannel
    from sage.transports.credit import Credit
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

_LAZY = {
    "ChannelDescriptor": "channel",
    "ChannelStatistics": "channel",
    "Credit": "credit",
    "MemoryDescriptor": "memory",
    "MemoryReceiver": "memory",
    "MemorySender": "memory",
    "ReceiveChannel": "channel",
    "SendChannel": "channel",
}

if not TYPE_CHECKING:  # with it, checkers would take every misspelt name for `Any`

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module 'sage.transports' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"sage.transports.{_LAZY[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
