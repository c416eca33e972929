"""Awaitable, bounded channels and queues: in process, through shared memory, over ZeroMQ and Ray. Useful alone.

Read `channel` for the contract of a channel's ends, `descriptor` and `queue` for what names them, `credit` for flow
control, `memory` for the ends in one event loop, `remote` for what all transports share that leave the process.

All but the errors is loaded when it is first used, so that a program loads the transports it consists of.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sage.transports.errors import (
    AccessDenied,
    BrokenChannel,
    ChannelError,
    ClosedChannel,
    CodecError,
    ConnectError,
    EndOfChannel,
    InvalidChannel,
    ReceiverClosed,
    ReceiverTaken,
    TransportError,
    UnreachableChannel,
    WouldBlock,
)

if TYPE_CHECKING:
    from sage.transports.channel import ChannelStatistics, ReceiveChannel, SendChannel
    from sage.transports.credit import Credit
    from sage.transports.descriptor import ChannelDescriptor
    from sage.transports.memory import MemoryReceiver, MemorySender
    from sage.transports.python_queue import PythonQueueDescriptor
    from sage.transports.queue import BaseQueueDescriptor, QueueDescriptor

__all__ = [
    "AccessDenied",
    "BaseQueueDescriptor",
    "BrokenChannel",
    "ChannelDescriptor",
    "ChannelError",
    "ChannelStatistics",
    "ClosedChannel",
    "CodecError",
    "ConnectError",
    "Credit",
    "EndOfChannel",
    "InvalidChannel",
    "MemoryReceiver",
    "MemorySender",
    "PythonQueueDescriptor",
    "QueueDescriptor",
    "ReceiveChannel",
    "ReceiverClosed",
    "ReceiverTaken",
    "SendChannel",
    "TransportError",
    "UnreachableChannel",
    "WouldBlock",
]

_LAZY = {
    "BaseQueueDescriptor": "queue",
    "ChannelDescriptor": "descriptor",
    "ChannelStatistics": "channel",
    "Credit": "credit",
    "MemoryReceiver": "memory",
    "MemorySender": "memory",
    "PythonQueueDescriptor": "python_queue",
    "QueueDescriptor": "queue",
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
