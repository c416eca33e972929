"""Which transport makes the channels of a job."""

import itertools
from collections.abc import Sequence
from typing import Any

from sage.errors import NotAvailable
from sage.transports import ChannelDescriptor, PythonQueueDescriptor, QueueDescriptor

__all__ = ["Channels"]

# What the transports are called where queues are made.
_QUEUES = {"memory": "python", "shm": "sage", "zmq": "rpc", "ray": "ray"}
# Edges of different jobs have the same names, and a channel's name is unique in its process.
_numbers = itertools.count(1)


class Channels:
    """Describes channels of one transport; implements `DataTransport`.

    Args:
        transport: its name, as in `Config.transport`.
    """

    def __init__(self, transport: str) -> None:
        if transport not in _QUEUES:
            kinds = ", ".join(self.kinds())
            raise NotAvailable(f"transport={transport!r} is not in this version; write one of {kinds}")
        self._kind = _QUEUES[transport]
        if transport != "memory":
            from sage.runtime.wire import register_elements

            register_elements()

    def kinds(self) -> Sequence[str]:
        """See `DataTransport.kinds`."""
        return tuple(_QUEUES)

    def channel(self, name: str, capacity: int | None) -> QueueDescriptor[Any]:
        """See `DataTransport.channel`."""
        queue_id = f"{name}#{next(_numbers)}"
        if self._kind == PythonQueueDescriptor.queue_type:
            return PythonQueueDescriptor(capacity or 0, queue_id)
        from sage.transports import create_queue

        return create_queue(self._kind, maxsize=capacity or 0, queue_id=queue_id)

    def for_sender(self, descriptor: ChannelDescriptor[Any]) -> ChannelDescriptor[Any]:
        """See `DataTransport.for_sender`: over the wire, also when both ends are in one process."""
        if isinstance(descriptor, PythonQueueDescriptor):
            return descriptor
        from sage.transports import resolve_descriptor

        return resolve_descriptor(descriptor.to_dict(), local=False)
