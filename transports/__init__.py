"""Awaitable, bounded channels and queues: in process, through shared memory, over ZeroMQ and Ray. Useful alone.

Read `channel` for the contract of a channel's ends, `descriptor` and `queue` for what names them, `credit` for flow
control, `memory` for the ends in one event loop, `remote` for what all transports share that leave the process,
`backends` and `registry` for how a kind of queue is chosen and found again.

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
    QueueFactoryError,
    ReceiverClosed,
    ReceiverTaken,
    TransportError,
    UnreachableChannel,
    WouldBlock,
)

if TYPE_CHECKING:
    from sage.transports.backends import QueueBackendInfo, create_queue, get_queue_backend_info
    from sage.transports.channel import ChannelStatistics, ReceiveChannel, SendChannel
    from sage.transports.codec import Codec, register_type
    from sage.transports.credit import Credit
    from sage.transports.descriptor import ChannelDescriptor
    from sage.transports.memory import MemoryReceiver, MemorySender
    from sage.transports.python_queue import PythonQueueDescriptor
    from sage.transports.queue import BaseQueueDescriptor, QueueDescriptor
    from sage.transports.ray import RayQueueDescriptor
    from sage.transports.registry import register_queue_factory, register_rpc_queue_factory, resolve_descriptor
    from sage.transports.shm import SageQueueDescriptor
    from sage.transports.zmq import RPCQueueDescriptor

__all__ = [
    "AccessDenied",
    "BaseQueueDescriptor",
    "BrokenChannel",
    "ChannelDescriptor",
    "ChannelError",
    "ChannelStatistics",
    "ClosedChannel",
    "Codec",
    "CodecError",
    "ConnectError",
    "Credit",
    "EndOfChannel",
    "InvalidChannel",
    "MemoryReceiver",
    "MemorySender",
    "PythonQueueDescriptor",
    "QueueBackendInfo",
    "QueueDescriptor",
    "QueueFactoryError",
    "RPCQueueDescriptor",
    "RayQueueDescriptor",
    "ReceiveChannel",
    "ReceiverClosed",
    "ReceiverTaken",
    "SageQueueDescriptor",
    "SendChannel",
    "TransportError",
    "UnreachableChannel",
    "WouldBlock",
    "create_queue",
    "get_queue_backend_info",
    "register_queue_factory",
    "register_rpc_queue_factory",
    "register_type",
    "resolve_descriptor",
]

_LAZY = {
    "BaseQueueDescriptor": "queue",
    "ChannelDescriptor": "descriptor",
    "ChannelStatistics": "channel",
    "Codec": "codec",
    "Credit": "credit",
    "MemoryReceiver": "memory",
    "MemorySender": "memory",
    "PythonQueueDescriptor": "python_queue",
    "QueueBackendInfo": "backends",
    "QueueDescriptor": "queue",
    "RPCQueueDescriptor": "zmq",
    "RayQueueDescriptor": "ray",
    "ReceiveChannel": "channel",
    "SageQueueDescriptor": "shm",
    "SendChannel": "channel",
    "create_queue": "backends",
    "get_queue_backend_info": "backends",
    "register_queue_factory": "registry",
    "register_rpc_queue_factory": "registry",
    "register_type": "codec",
    "resolve_descriptor": "registry",
}

if not TYPE_CHECKING:  # with it, checkers would take every misspelt name for `Any`

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module 'sage.transports' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"sage.transports.{_LAZY[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
