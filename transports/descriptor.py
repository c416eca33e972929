"""What names a channel: its identity, how it travels, and how its ends are opened.

A descriptor is small. It is made without touching a socket, goes to other processes as a `dict`, as JSON or pickled,
and opens an end only when it is asked to. Copies of one descriptor name the same channel.
"""

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar

from sage.transports.channel import ReceiveChannel, SendChannel
from sage.transports.errors import InvalidChannel

__all__ = ["ChannelDescriptor"]

T = TypeVar("T")


class ChannelDescriptor(ABC, Generic[T]):
    """Names a channel.

    Args:
        maxsize: how many records the channel holds; 0 for no bound.
        queue_id: its name, which is unique among the channels of its kind; by default one is made.

    Attributes:
        queue_type: the kind of channel, as `resolve_descriptor` knows it.
        created_timestamp: when the first descriptor of the channel was made, in seconds since the epoch.

    Raises:
        InvalidChannel: the bound or the name cannot be.
    """

    queue_type: ClassVar[str]

    def __init__(self, maxsize: int, queue_id: str | None = None) -> None:
        if queue_id is not None and not isinstance(queue_id, str):
            raise InvalidChannel(f"queue_id={queue_id!r}: a channel's name is a str")
        self.queue_id = queue_id or f"{self.queue_type}_{os.urandom(4).hex()}"
        if isinstance(maxsize, bool) or not isinstance(maxsize, int):
            raise InvalidChannel(f"channel {self.queue_id!r}: maxsize={maxsize!r} is not a number of records")
        if maxsize < 0:
            raise InvalidChannel(
                f"channel {self.queue_id!r}: maxsize is {maxsize}; give at least 1 record, or 0 for no bound"
            )
        self.maxsize = maxsize
        self.created_timestamp = time.time()

    @property
    def name(self) -> str:
        """What errors and pictures call the channel: its `queue_id`."""
        return self.queue_id

    @property
    def capacity(self) -> int | None:
        """How many records the channel holds; `None` for no bound."""
        return self.maxsize or None

    @property
    @abstractmethod
    def address(self) -> str:
        """Where the queue lives, as a URL."""

    @property
    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """What the kind needs beside the name to find the channel; of JSON's types only."""

    @classmethod
    @abstractmethod
    def from_metadata(cls, queue_id: str, metadata: Mapping[str, Any]) -> Self:
        """The descriptor that has this name and `metadata`.

        Raises:
            InvalidChannel: the metadata is not of this kind.
        """

    @abstractmethod
    async def open_receiver(self) -> ReceiveChannel[T]:
        """Host the queue and return its receiving end; a channel has one.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            ReceiverTaken: it is open already.
            UnreachableChannel: the queue cannot live here.
        """

    @abstractmethod
    async def open_sender(self) -> SendChannel[T]:
        """Return a new sending end. The channel ends when none is open any more: open all before the first one closes.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            UnreachableChannel: the queue cannot be reached from here.
        """

    def to_dict(self) -> dict[str, Any]:
        """All that another process needs to name the same channel; of JSON's types only."""
        return {
            "queue_id": self.queue_id,
            "queue_type": self.queue_type,
            "class_name": type(self).__name__,
            "metadata": self.metadata,
            "can_serialize": True,
            "created_timestamp": self.created_timestamp,
        }

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Self:
        """The descriptor that `to_dict` described; `resolve_descriptor` finds the class by itself.

        Raises:
            InvalidChannel: it describes something else.
        """
        queue_type, queue_id = description.get("queue_type"), description.get("queue_id")
        metadata = description.get("metadata") or {}
        if not isinstance(queue_type, str) or _kind(queue_type) != _kind(cls.queue_type):
            raise InvalidChannel(f"queue_type is {queue_type!r}, and {cls.__name__} is {cls.queue_type!r}")
        if not isinstance(queue_id, str) or not queue_id:
            raise InvalidChannel(f"queue_id={queue_id!r}: a description names its channel with a str")
        if not isinstance(metadata, Mapping):
            raise InvalidChannel(f"channel {queue_id!r}: metadata is a {type(metadata).__name__}, not a mapping")
        descriptor = cls.from_metadata(queue_id, metadata)
        created = description.get("created_timestamp")
        if isinstance(created, (int, float)):
            descriptor.created_timestamp = created
        return descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.to_dict())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChannelDescriptor):
            return NotImplemented
        return (self.queue_type, self.queue_id, self.metadata) == (other.queue_type, other.queue_id, other.metadata)

    def __hash__(self) -> int:
        return hash((self.queue_type, self.queue_id))


def _kind(queue_type: str) -> str:
    """A kind has two names: `resolve_descriptor` and the original SAGE say ``rpc`` and ``rpc_queue``."""
    return queue_type.removesuffix("_queue")


def _unpickled(kind: type[ChannelDescriptor[Any]], description: dict[str, Any]) -> ChannelDescriptor[Any]:
    return kind.from_dict(description)
