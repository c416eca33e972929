"""Senders and consumers of other processes, as the host reaches them."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from sage.transports.codec import Codec, Frame, FrameWriter
from sage.transports.remote.links import ConsumerPeer, SenderPeer
from sage.transports.remote.seats import ConsumerSeat, ProtocolError, SenderSeat
from sage.transports.shm import messages
from sage.transports.shm.inlet import Inlet
from sage.transports.shm.outlet import Outlet
from sage.transports.shm.segment import Segment
from sage.transports.shm.shared_queue import SharedQueue
from sage.transports.shm.wire import Wire

__all__ = ["ShmConsumerPeer", "ShmSenderPeer"]

# A frame for a consumer leaves when it holds that many bytes.
_FRAME_BYTES: Final = 1 << 18


class ShmSenderPeer(SenderPeer):
    """A sender in another process.

    Args:
        wire: the connection.
        pid: its process.
        inlet: reads what it sends.
        queue: the queue.
        on_gone: called when the connection is over.

    Attributes:
        seat: its seat, which the host gives it before it starts.
        parted: done when the connection is closed; a sender closes it when it knows that nothing more is wanted.
    """

    seat: SenderSeat

    def __init__(
        self, wire: Wire, pid: int, inlet: Inlet, queue: SharedQueue, on_gone: Callable[["ShmSenderPeer"], None]
    ) -> None:
        self.wire = wire
        self._pid = pid
        self._inlet = inlet
        self._queue = queue
        self._on_gone = on_gone
        self.parted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # It waits until the queue is empty.
        self._needing = False

    def describe(self) -> str:
        """See `SenderPeer.describe`."""
        return f"the sender in process {self._pid}"

    def grant(self, places: int, queued: int) -> None:
        """See `SenderPeer.grant`."""
        self.wire.tell_now(messages.GRANT, places, queued)

    def recall(self) -> None:
        """See `SenderPeer.recall`."""
        self.wire.tell_now(messages.RECALL)

    def unwanted(self) -> None:
        """See `SenderPeer.unwanted`."""
        self.wire.tell_now(messages.UNWANTED)

    def received(self, kind: int, numbers: tuple[int, ...]) -> None:
        """See `WireEvents.received`."""
        match kind:
            case messages.FRAME:
                self.seat.arrived(self._inlet.frame(numbers[1], numbers[2:]))
            case messages.PIECE:
                self._inlet.piece(*numbers[1:])
            case messages.WANT:
                self.seat.wants(*numbers[1:])
            case messages.GIVE_BACK:
                self.seat.gave_back(numbers[1])
            case messages.NEED:
                self._tell_when_empty()
            case messages.END:
                self.seat.ended()
                self.wire.tell_now(messages.ENDED)
            case _:
                raise ProtocolError(f"a sender does not send messages of kind {kind}")

    def gone(self, reason: str) -> None:
        """See `WireEvents.gone`."""
        self.close()
        self.seat.lost(reason)
        self._on_gone(self)

    def put_out(self, reason: str) -> None:
        """See `SenderPeer.put_out`."""
        self.wire.refuse(reason)
        self.gone(reason)

    def close(self) -> None:
        """Close the connection."""
        self.wire.close()
        self._inlet.close()
        if not self.parted.done():
            self.parted.set_result(None)

    def _tell_when_empty(self) -> None:
        if self._needing:
            raise ProtocolError("it asks again before it was answered")
        self._needing = True
        if self._queue.items:
            self._queue.emptied.append(self._tell_empty)
        else:
            self._tell_empty()

    def _tell_empty(self) -> None:
        self._needing = False
        self._inlet.all_taken()


class ShmConsumerPeer(ConsumerPeer):
    """A consumer in another process.

    Args:
        wire: the connection.
        pid: its process.
        segment: the memory that it was given.
        codec: how items are written.
        on_gone: called when the connection is over.

    Attributes:
        seat: its seat, which the host gives it before it starts.
    """

    seat: ConsumerSeat

    def __init__(
        self, wire: Wire, pid: int, segment: Segment, codec: Codec, on_gone: Callable[["ShmConsumerPeer"], None]
    ) -> None:
        self.wire = wire
        self._pid = pid
        self._codec = codec
        self._outlet = Outlet(wire, segment, lambda: None)
        self._on_gone = on_gone

    def describe(self) -> str:
        """See `ConsumerPeer.describe`."""
        return f"the consumer in process {self._pid}"

    def deliver(self, items: list[tuple[Any, int]], queued: int) -> None:
        """See `ConsumerPeer.deliver`."""
        writer = FrameWriter(self._codec)
        frames: list[Frame] = []
        for item, size in items:
            writer.add(writer.pack(item), size)
            if writer.nbytes >= _FRAME_BYTES:
                frames.append(writer.take())
        if writer.items:
            frames.append(writer.take())
        for frame in frames:  # all or, when one item cannot be carried, nothing
            self._outlet.send(frame)
        self._outlet.tell(messages.TOLD, queued)

    def finished(self) -> None:
        """See `ConsumerPeer.finished`."""
        self._outlet.tell(messages.FINISHED)

    def received(self, kind: int, numbers: tuple[int, ...]) -> None:
        """See `WireEvents.received`."""
        match kind:
            case messages.FREED:
                self._outlet.freed(numbers)
            case messages.HELD:
                self._outlet.held()
            case messages.DEMAND:
                self.seat.wants(numbers[1])
            case messages.ACK:
                self.seat.acknowledged(numbers[1])
            case messages.LEAVE:
                self.seat.left()
                self.wire.tell_now(messages.LEFT)
            case _:
                raise ProtocolError(f"a consumer does not send messages of kind {kind}")

    def gone(self, reason: str) -> None:
        """See `WireEvents.gone`."""
        self.close()
        self.seat.lost()
        self._on_gone(self)

    def close(self) -> None:
        """Close the connection. What waits for room is dropped, but not that nothing more will come."""
        if self._outlet.congested:
            self.wire.tell_now(messages.FINISHED)
        self.wire.close()
        self._outlet.close()
