"""Queues in shared memory: between processes of one machine and user."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self, TypeVar, cast
from weakref import WeakSet

from sage.transports.durations import seconds
from sage.transports.errors import InvalidChannel, UnreachableChannel
from sage.transports.remote.descriptor import Connected, HostedQueueDescriptor
from sage.transports.remote.links import ConsumerLink
from sage.transports.shm.address import new_name
from sage.transports.shm.connecting import Where, connect_consumer, connect_sender
from sage.transports.shm.host import ShmHost
from sage.transports.shm.links import ShmSenderLink
from sage.transports.shm.segment import LEAST_MEMORY, Layout, shares_memory
from sage.transports.shm.shared_queue import SharedQueue

__all__ = ["SageQueueDescriptor"]

T = TypeVar("T")

_MEMORY = 1 << 26


class SageQueueDescriptor(HostedQueueDescriptor[T]):
    """Names a queue in shared memory, between processes of one machine and one user; on Linux only.

    It is hosted by the process that opens it first, and reached from others that are given its description. What is put
    is written once, into memory that sender and host share; large arrays and buffers are read there, where they lie.
    Such an array is read-only. It may be kept as long as one likes, also when the queue is closed: then it keeps
    the sender's memory alive.

    What is put must not be changed afterwards: it may be copied a little later than `put` returns. What is made in
    memory that `room` gave is not copied at all.

    Args:
        maxsize: how many records the queue holds; 0 for no bound.
        queue_id: its name; by default one is made.
        memory: how many bytes each sender shares with the host, and the host with each consumer elsewhere. What was
            never used of it costs nothing. When it is full, `put` waits; arrays that the receiver keeps are then worked
            around with one copy more.
        allow_pickle: carry values that the codec does not know by pickle. Both sides run under the same user.
        connection_timeout: seconds, or a timedelta, to wait for the host's answer.

    Raises:
        InvalidChannel: one of them cannot be.
    """

    queue_type = "sage"

    def __init__(
        self,
        maxsize: int = 4096,
        queue_id: str | None = None,
        *,
        memory: int = _MEMORY,
        allow_pickle: bool = False,
        connection_timeout: float | timedelta = 5.0,
    ) -> None:
        super().__init__(maxsize, queue_id, allow_pickle)
        if isinstance(memory, bool) or not isinstance(memory, int) or memory < LEAST_MEMORY:
            raise InvalidChannel(f"channel {self.queue_id!r}: memory={memory!r}; give at least {LEAST_MEMORY} bytes")
        self.memory = memory
        self.connection_timeout = seconds(self.queue_id, "connection_timeout", connection_timeout)
        # Where it is hosted, if that is known from a description.
        self._found: Mapping[str, str] = {}
        # The connections of senders.
        self._links: WeakSet[ShmSenderLink] = WeakSet()

    async def room(self, nbytes: int) -> memoryview:
        """Memory to fill: what is put of it is not copied, since the host reads it where it lies.

        ``array = numpy.frombuffer(await queue.room(nbytes), dtype).reshape(shape)`` makes an array of it. Fill it, put
        it, by itself or within another value, and let go of it: it must not be changed afterwards. Put it whole, or a
        piece that begins where it begins and has no gaps. What it holds at first is undefined.

        It is ordinary memory, and what is put of it is copied, when it is small, when the shared memory is full, and
        where the queue is hosted. Nothing waits for room.

        Args:
            nbytes: how many bytes, at least 1.

        Cancel safety: when cancelled, nothing was lent.

        Raises:
            ValueError: it is less than 1.
            ConnectError: the host cannot be reached.
            ReceiverClosed: the host has closed the queue.
            ClosedChannel: this descriptor is closed.
        """
        if nbytes < 1:
            raise ValueError(f"a room has at least one byte; nbytes={nbytes}")
        self._enter()
        sender = self._sender or await self._open_sender()
        link = next((link for link in self._links if link.serves(sender)), None)
        room = None if link is None else link.room(nbytes)
        return memoryview(bytearray(nbytes)) if room is None else room

    @property
    def address(self) -> str:
        """``shm://`` and the name of the host's socket; of the queue as long as there is none."""
        return f"shm://{self._hosted_at.get('socket', self.queue_id)}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The options, and where the queue is hosted if that is known."""
        return {
            "maxsize": self.maxsize,
            "memory": self.memory,
            "allow_pickle": self.allow_pickle,
            "connection_timeout": self.connection_timeout,
            **self._hosted_at,
        }

    @classmethod
    def from_metadata(cls, queue_id: str, metadata: Mapping[str, Any]) -> Self:
        """See `ChannelDescriptor.from_metadata`."""
        options = {name: metadata[name] for name in _OPTIONS if name in metadata}
        descriptor = cls(queue_id=queue_id, **options)
        found = {name: metadata[name] for name in ("socket", "machine") if name in metadata}
        if found and not (len(found) == 2 and all(isinstance(value, str) for value in found.values())):
            raise InvalidChannel(f"channel {queue_id!r}: it is hosted at {found!r}: give socket and machine, both str")
        descriptor._found = found
        return descriptor

    @property
    def hosted_elsewhere(self) -> bool:
        """See `QueueDescriptor.hosted_elsewhere`."""
        return self._host_here is None and bool(self._found)

    @property
    def _hosted_at(self) -> Mapping[str, str]:
        host = self._host_here
        return self._found if host is None else cast("Mapping[str, str]", host.metadata)

    def _metadata_of_another(self) -> dict[str, Any]:
        return {name: value for name, value in self.metadata.items() if name in _OPTIONS}

    async def _serve(self) -> ShmHost:
        self._check_system()
        if self._found:
            raise self._unreachable("its host is known, and is not this process: put and get, but do not open it")
        name = new_name()
        address = f"shm://{name}"
        try:
            return ShmHost(name, SharedQueue(self.name, address, self.capacity), self.codec, self._layout)
        except OSError as error:
            raise self._unreachable(f"its socket cannot be bound: {error}") from error

    async def _connect_sender(self, sender_id: str | None) -> Connected:
        link, welcome = await connect_sender(self._checked_where(), sender_id, self._layout)
        self._links.add(link)
        return Connected(link, welcome.capacity, welcome.received)

    async def _connect_consumer(self) -> tuple[ConsumerLink, int | None]:
        link, welcome = await connect_consumer(self._checked_where(), self.codec)
        return link, welcome.capacity

    @property
    def _layout(self) -> Layout:
        return Layout.of(self.memory)

    def _checked_where(self) -> Where:
        self._check_system()
        where = self._hosted_at
        if not where:
            raise self._unreachable("nobody hosts it yet: open() it, and pass on to_dict() of that")
        return Where(self.name, self.address, where["socket"], where["machine"], self.connection_timeout)

    def _check_system(self) -> None:
        if not shares_memory():
            raise self._unreachable("memory without a name is shared on Linux only: use create_queue('rpc')")

    def _unreachable(self, reason: str) -> UnreachableChannel:
        return self._error(UnreachableChannel, reason)


_OPTIONS = ("maxsize", "memory", "allow_pickle", "connection_timeout")
