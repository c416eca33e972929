"""Queues inside one event loop: items pass by reference."""

import os
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from sage.transports.channel import ReceiveChannel
from sage.transports.errors import InvalidChannel, UnreachableChannel
from sage.transports.memory import MemoryReceiver, MemorySender
from sage.transports.memory_queue import MemoryQueue
from sage.transports.queue import QueueDescriptor

__all__ = ["PythonQueueDescriptor"]

T = TypeVar("T")

_token = os.urandom(4).hex()


def _this_process() -> str:
    # The token alone would be the same in a forked child, the number alone on another machine.
    return f"{os.getpid()}-{_token}"


class PythonQueueDescriptor(QueueDescriptor[T]):
    """Names a queue inside one event loop.

    Args:
        maxsize: how many records it holds; 0, the default, for no bound.
        queue_id: its name; by default one is made.

    Attributes:
        process: where the queue was described, and where alone it is good.

    Raises:
        InvalidChannel: the bound or the name cannot be.
    """

    queue_type = "python"

    def __init__(self, maxsize: int = 0, queue_id: str | None = None) -> None:
        super().__init__(maxsize, queue_id)
        self.process = _this_process()

    @property
    def address(self) -> str:
        """``memory://`` and the queue's name."""
        return f"memory://{self.queue_id}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The bound, and the process."""
        return {"maxsize": self.maxsize, "process": self.process}

    @classmethod
    def from_metadata(cls, queue_id: str, metadata: Mapping[str, Any]) -> Self:
        """See `ChannelDescriptor.from_metadata`."""
        descriptor = cls(metadata.get("maxsize", 0), queue_id)
        process = metadata.get("process", descriptor.process)
        if not isinstance(process, str):
            raise InvalidChannel(f"channel {queue_id!r}: process={process!r} is not a str")
        descriptor.process = process
        return descriptor

    @property
    def _home(self) -> str:
        return self.process

    @property
    def hosted_elsewhere(self) -> bool:
        """See `QueueDescriptor.hosted_elsewhere`: never; a queue of another process is out of reach."""
        return False

    async def open_receiver(self) -> MemoryReceiver[T]:
        """See `ChannelDescriptor.open_receiver`.

        Cancel safety: nothing is awaited, so it cannot be cancelled half way.
        """
        return MemoryReceiver(self._queue())

    async def open_sender(self) -> MemorySender[T]:
        """See `ChannelDescriptor.open_sender`.

        Cancel safety: nothing is awaited, so it cannot be cancelled half way.
        """
        return MemorySender(self._queue())

    async def open_consumer(self) -> ReceiveChannel[T]:
        """See `QueueDescriptor.open_consumer`; it always refuses.

        Cancel safety: nothing is awaited.
        """
        raise self._unreachable()

    def _sender_at_once(self) -> MemorySender[T]:
        return MemorySender(self._queue())

    def _host_at_once(self) -> None:
        queue = self._queue()
        self._place.keep(MemoryReceiver(queue), MemorySender(queue))

    def _metadata_of_another(self) -> dict[str, Any]:
        return {"maxsize": self.maxsize}

    def _queue(self) -> MemoryQueue[T]:
        if self.process != _this_process() or not self._local:
            raise self._unreachable()
        self._enter_place()
        place = self._place
        if place.queue is None:
            place.queue = MemoryQueue(self.name, self.address, self.capacity)
        return place.queue

    def _unreachable(self) -> UnreachableChannel:
        return UnreachableChannel(
            "its queue lives in another process; describe one that crosses, as create_queue('sage') does",
            channel=self.name,
            address=self.address,
        )
