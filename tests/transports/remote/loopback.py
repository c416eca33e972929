"""A transport within one process: what one end says reaches the other through the loop, some turns later, in order.

Items are encoded as on any wire. A connection can be cut, or held back, on command.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self
from weakref import WeakValueDictionary

from sage.transports import BrokenChannel, ConnectError
from sage.transports.codec import Codec, Frame, FrameWriter, read_frame
from sage.transports.remote import (
    ConsumerEvents,
    ConsumerLink,
    ConsumerPeer,
    ConsumerSeat,
    Host,
    HostedQueue,
    HostedQueueDescriptor,
    SenderEvents,
    SenderLink,
    SenderPeer,
    SenderSeat,
)
from sage.transports.remote.descriptor import Connected

__all__ = ["LoopbackDescriptor", "LoopbackHost"]

_ports = itertools.count(1)
_hosts: "WeakValueDictionary[int, LoopbackHost]" = WeakValueDictionary()


class Direction:
    """One way of a connection.

    Attributes:
        delay: how many turns of the loop a message takes, at least 1.
        held: messages wait until this is over.
    """

    def __init__(self, delay: int) -> None:
        self.delay = delay
        self.held = False
        self._waiting: deque[Callable[[], object]] = deque()

    def post(self, message: Callable[[], object]) -> None:
        self._waiting.append(message)
        self._turn(self.delay)

    def _turn(self, left: int) -> None:
        loop = asyncio.get_running_loop()
        if left:
            loop.call_soon(self._turn, left - 1)
        else:
            loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        if self._waiting and not self.held:
            self._waiting.popleft()()

    def let_go(self) -> None:
        self.held = False
        while self._waiting:
            self._waiting.popleft()()

    def clear(self) -> None:
        self._waiting.clear()


class Connection:
    """Both ways between one end and its host, as both sides see it.

    Attributes:
        there, back: to the host, and from it.
        problems: where what the host did not understand is noted.
    """

    def __init__(self, name: str, host: "LoopbackHost") -> None:
        self.name = name
        self.there, self.back = Direction(host.delay), Direction(host.delay)
        self.problems = host.problems
        self.alive = True
        self.lost: Callable[[str], object] = lambda reason: None
        self.broken: Callable[[str], object] = lambda reason: None

    def tell_host(self, say: Callable[..., object], *arguments: Any) -> None:
        if self.alive:
            self.there.post(lambda: self._understood(say, arguments))

    def tell_end(self, say: Callable[..., object], *arguments: Any) -> None:
        if self.alive:
            self.back.post(lambda: say(*arguments) and None)

    def cut(self, reason: str = "the cable was cut") -> None:
        """What is under way is lost, and both sides learn of it at once."""
        if self.alive:
            self.hang_up(reason)
            self.broken(reason)

    def hang_up(self, reason: str = "it hung up") -> None:
        """The end closes its side; the host learns of it, if it did not expect that."""
        if self.alive:
            self.alive = False
            self.there.clear()
            self.back.clear()
            self.lost(reason)

    def _understood(self, say: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        try:
            say(*arguments)
        except Exception as error:
            self.problems.append(error)
            self.cut(str(error))


class LoopbackSenderLink(SenderLink):
    """See `SenderLink`; `congest` pauses the sender."""

    def __init__(self, connection: Connection, codec: Codec) -> None:
        self.connection = connection
        self._codec = codec
        self._congested = False
        self.peer: LoopbackSenderPeer
        self.seat: SenderSeat

    def start(self, events: SenderEvents) -> None:
        self.peer.events = events
        self.connection.broken = lambda reason: events.broken(
            BrokenChannel(f"the host is gone: {reason}", channel="loop", address="loop://", peer="the host")
        )

    @property
    def congested(self) -> bool:
        return self._congested

    def congest(self, congested: bool) -> None:
        self._congested = congested
        if not congested:
            self.peer.events.uncongested()

    def send(self, frame: Frame) -> None:
        self.connection.tell_host(self._arrive, frame)

    def _arrive(self, frame: Frame) -> None:
        self.seat.arrived(read_frame(self._codec, frame.body, frame.buffers, items=frame.items))

    def want(self, places: int, least: int) -> None:
        self.connection.tell_host(self.seat.wants, places, least)

    def give_back(self, places: int) -> None:
        self.connection.tell_host(self.seat.gave_back, places)

    def end(self) -> None:
        self.connection.tell_host(self._end)

    def _end(self) -> None:
        self.seat.ended()
        self.connection.tell_end(self.peer.events.ended)

    def close(self) -> None:
        self.connection.hang_up()


class LoopbackSenderPeer(SenderPeer):
    """See `SenderPeer`."""

    events: SenderEvents

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def describe(self) -> str:
        return self._connection.name

    def grant(self, places: int, queued: int) -> None:
        self._connection.tell_end(lambda: self.events.granted(places, queued))

    def recall(self) -> None:
        self._connection.tell_end(lambda: self.events.recalled())

    def unwanted(self) -> None:
        self._connection.tell_end(lambda: self.events.unwanted())

    def put_out(self, reason: str) -> None:
        self._connection.tell_end(lambda: self._connection.cut(reason))


class LoopbackConsumerLink(ConsumerLink):
    """See `ConsumerLink`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.peer: LoopbackConsumerPeer
        self.seat: ConsumerSeat

    def start(self, events: ConsumerEvents) -> None:
        self.peer.events = events
        self.connection.broken = lambda reason: events.broken(
            BrokenChannel(f"the host is gone: {reason}", channel="loop", address="loop://", peer="the host")
        )

    def want(self, records: int) -> None:
        self.connection.tell_host(self.seat.wants, records)

    def acknowledge(self, items: int) -> None:
        self.connection.tell_host(self.seat.acknowledged, items)

    def leave(self) -> None:
        self.connection.tell_host(self._leave)

    def _leave(self) -> None:
        self.seat.left()
        self.connection.tell_end(self.peer.events.left)

    def close(self) -> None:
        self.connection.hang_up()


class LoopbackConsumerPeer(ConsumerPeer):
    """See `ConsumerPeer`."""

    events: ConsumerEvents

    def __init__(self, connection: Connection, codec: Codec) -> None:
        self._connection = connection
        self._codec = codec

    def describe(self) -> str:
        return self._connection.name

    def deliver(self, items: list[tuple[Any, int]], queued: int) -> None:
        writer = FrameWriter(self._codec)
        for item, size in items:
            writer.add(writer.pack(item), size)
        frame = writer.take()

        def arrive() -> None:
            self.events.told(queued)
            self.events.delivered(read_frame(self._codec, frame.body, frame.buffers, items=frame.items))

        self._connection.tell_end(arrive)

    def finished(self) -> None:
        self._connection.tell_end(lambda: self.events.finished())


class LoopbackHost(Host):
    """Serves a queue to ends in the same process.

    Attributes:
        delay: how many turns of the loop a message takes.
        connections: all that were made, the oldest first.
        problems: what peers said that the protocol does not allow.
    """

    def __init__(self, queue: HostedQueue, delay: int = 1) -> None:
        self.queue = queue
        self.delay = delay
        self.port = next(_ports)
        self.metadata: Mapping[str, Any] = {"port": self.port}
        self.connections: list[Connection] = []
        self.problems: list[Exception] = []
        _hosts[self.port] = self

    def connect_sender(self, codec: Codec, sender_id: str | None = None) -> Connected:
        connection = self._connect("sender")
        link, peer = LoopbackSenderLink(connection, codec), LoopbackSenderPeer(connection)
        link.peer, link.seat = peer, self.queue.seat_sender(peer, sender_id)
        connection.lost = link.seat.lost
        return Connected(link, self.queue.credit.capacity, link.seat.received)

    def connect_consumer(self, codec: Codec) -> tuple[LoopbackConsumerLink, int | None]:
        connection = self._connect("consumer")
        link, peer = LoopbackConsumerLink(connection), LoopbackConsumerPeer(connection, codec)
        link.peer, link.seat = peer, self.queue.seat_consumer(peer)
        connection.lost = lambda reason: link.seat.lost()
        return link, self.queue.credit.capacity

    def _connect(self, kind: str) -> Connection:
        connection = Connection(f"{kind} {len(self.connections)}", self)
        self.connections.append(connection)
        return connection

    async def aclose(self) -> None:
        _hosts.pop(self.port, None)


class LoopbackDescriptor(HostedQueueDescriptor[Any]):
    """Names a queue whose host is in this process, and which is reached as if it were not."""

    queue_type = "loopback"
    delay = 1

    def __init__(self, maxsize: int = 64, queue_id: str | None = None, *, port: int = 0) -> None:
        super().__init__(maxsize, queue_id, False)
        self._port = port

    @property
    def port(self) -> int:
        host = self._host_here
        return self._port if host is None else int(host.metadata["port"])

    @property
    def address(self) -> str:
        return f"loop://{self.port}"

    @property
    def metadata(self) -> dict[str, Any]:
        return {"maxsize": self.maxsize, "port": self.port}

    @classmethod
    def from_metadata(cls, queue_id: str, metadata: Mapping[str, Any]) -> Self:
        return cls(metadata.get("maxsize", 64), queue_id, port=metadata.get("port", 0))

    def _metadata_of_another(self) -> dict[str, Any]:
        return {"maxsize": self.maxsize}

    @property
    def hosted_elsewhere(self) -> bool:
        return self._port != 0 and self._host_here is None

    @property
    def far_host(self) -> LoopbackHost:
        """The host, as another process would reach it."""
        host = _hosts.get(self.port)
        if host is None:
            raise self._error(ConnectError, "nobody is there")
        return host

    async def _serve(self) -> LoopbackHost:
        host = LoopbackHost(HostedQueue(self.name, "loop://", self.capacity), self.delay)
        host.queue.address = f"loop://{host.port}"
        await asyncio.sleep(0)
        return host

    async def _connect_sender(self, sender_id: str | None) -> Connected:
        await asyncio.sleep(0)
        return self.far_host.connect_sender(self.codec, sender_id)

    async def _connect_consumer(self) -> tuple[ConsumerLink, int | None]:
        await asyncio.sleep(0)
        return self.far_host.connect_consumer(self.codec)
