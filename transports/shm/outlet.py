"""The side of a connection that writes items: into the memory it has made, and where they lie into the socket."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sage.transports.codec import Frame
from sage.transports.remote.seats import ProtocolError
from sage.transports.shm.messages import FRAME, FREED, NEED, PIECE
from sage.transports.shm.pool import Pool
from sage.transports.shm.ring import Ring
from sage.transports.shm.rooms import Rooms
from sage.transports.shm.segment import Segment
from sage.transports.shm.wire import Wire

__all__ = ["LARGE", "Outlet"]

#: From this many bytes on, a buffer is read in place; to copy smaller ones costs the reader less than giving them back.
LARGE: Final = 1 << 16

# With so many bytes of the pool in use, see which have been read: into memory that is still in the caches, a copy takes
# little more than half the time. With fewer, a look into the socket costs more than it saves.
_CACHED: Final = 3 << 20


class _Parcel:
    """A frame on its way.

    Attributes:
        items: how many items it holds.
        parts: its body, and the buffers beside it.
        places: where the parts lie that have been placed: offset and length. No offset: in the frame's own region.
        chunks: the parts that go there.
        size: the bytes of that region.
        sent: how many bytes of the next part have gone in pieces.
    """

    __slots__ = ("chunks", "items", "parts", "places", "sent", "size")

    def __init__(self, frame: Frame) -> None:
        self.items = frame.items
        self.parts: Sequence[Any] = (frame.body, *frame.buffers)
        self.places: list[tuple[int | None, int]] = []
        self.chunks: list[Any] = []
        self.size = 0
        self.sent = 0

    def message(self, at: int) -> tuple[int, ...]:
        """What tells the reader, when the region begins at `at`."""
        message = [FRAME, self.items]
        for offset, length in self.places:
            if offset is None:
                message += (at, length)
                at += length
            else:
                message += (offset, length)
        return tuple(message)


class Outlet:
    """Writes frames.

    Small parts of a frame go through the ring, large buffers into the pool. When the pool is full, they wait while the
    reader has something left to take. If it has taken everything and keeps what lies there, they go through the ring in
    pieces, and so does what is too large otherwise: who keeps arrays holds up nobody, and the memory never grows.

    Args:
        wire: the connection.
        segment: the memory that the other side has been given.
        on_room: called when nothing waits for room any more.
    """

    def __init__(self, wire: Wire, segment: Segment, on_room: Callable[[], None]) -> None:
        self._wire = wire
        layout = segment.layout
        self._segment = segment
        self._memory = memoryview(segment.memory)
        self._ring = Ring(layout.ring)
        self._pool = Pool(layout.ring, layout.size)
        self._rooms = Rooms(segment, self._pool)
        self._largest_extent = layout.size - layout.ring
        self._plenty = min(_CACHED, self._largest_extent // 2)
        self._largest_region = layout.largest_region
        # Stands for a part that came in pieces.
        self._beyond = layout.size
        self._on_room = on_room
        # Frames that wait for room, and messages that must not overtake them.
        self._waiting: deque[_Parcel | tuple[int, ...]] = deque()
        # The reader was asked to tell when it has taken everything; it told.
        self._needed = False
        self._held = False

    @property
    def congested(self) -> bool:
        """Whether something waits for room."""
        return bool(self._waiting)

    def send(self, frame: Frame) -> None:
        """Write a frame, or keep it until there is room; if the connection is closed, do nothing."""
        if self._wire.closed:
            return
        if self._waiting or not self._write_at_once(frame):
            self._waiting.append(_Parcel(frame))
            self._go_on()

    def room(self, length: int) -> memoryview | None:
        """Memory of so many bytes to fill, which is then not copied; `None` if there is none now."""
        if self._wire.closed or length < LARGE:
            return None
        self._look_for_room()
        return self._rooms.lend(length)

    def tell(self, *message: int) -> None:
        """Send a message behind all frames."""
        if self._waiting:
            self._waiting.append(message)
        else:
            self._wire.tell_now(*message)

    def freed(self, message: tuple[int, ...]) -> None:
        """The reader tells (FREED) how many regions it has read, and which extents.

        Raises:
            ProtocolError: they were not written.
        """
        self._take_back(message)
        if self._waiting:
            self._go_on()
            self._tell_room()

    def held(self) -> None:
        """The reader has taken everything that was sent, and keeps what is not freed.

        Raises:
            ProtocolError: it was not asked.
        """
        if not self._needed:
            raise ProtocolError("it tells what it was not asked")
        self._needed = False
        if self._waiting:
            self._held = True
            self._go_on()
            self._held = False
            self._tell_room()

    def close(self) -> None:
        """Forget what waits, and the memory."""
        self._waiting.clear()
        self._memory.release()
        self._segment.close()

    def _write_at_once(self, frame: Frame) -> bool:
        """The usual case: a body, with large buffers or none, for which there is room; tell whether it was that."""
        items, _, body, buffers = frame
        size = len(body)
        if size > self._largest_region:
            return False
        extents = self._extents(buffers) if buffers else ()
        if extents is None:
            return False
        at = self._ring.take(size)
        if at is None:
            self._leave(extents)
            return False
        memory = self._memory
        memory[at : at + size] = body
        if not buffers:
            self._wire.tell_now(FRAME, items, at, size)
            return True
        message = [FRAME, items, at, size]
        for (start, there), buffer in zip(extents, buffers, strict=True):
            length = len(buffer)
            if not there:
                memory[start : start + length] = buffer
            message += (start, length)
        self._wire.tell_now(*message)
        return True

    def _extents(self, buffers: Sequence[Any]) -> list[tuple[int, bool]] | None:
        """Where each of these buffers is to lie, and whether it lies there; `None` if there is no room for all."""
        self._look_for_room()
        rooms = self._rooms
        extents: list[tuple[int, bool]] = []
        for buffer in buffers:
            start = rooms.send(buffer)
            there = start is not None
            if start is None and len(buffer) >= LARGE:
                start = self._pool.take(len(buffer))
            if start is None:
                self._leave(extents)
                return None
            extents.append((start, there))
        return extents

    def _leave(self, extents: Iterable[tuple[int, bool]]) -> None:
        """Extents that were taken are not used after all."""
        for start, _ in extents:
            self._rooms.give_back(start)

    def _look_for_room(self) -> None:
        """See what was given back and not noticed yet, unless plenty of the pool is free."""
        self._rooms.tidy()
        if self._pool.used >= self._plenty:
            self._wire.read_ahead(FREED, self._take_back)

    def _take_back(self, message: tuple[int, ...]) -> None:
        """See `freed`: while nothing waits for room, there is no more to do."""
        try:
            self._ring.give_back(message[1])
            for start in message[2:]:
                self._rooms.give_back(start)
        except ValueError as error:
            raise ProtocolError(str(error)) from error

    def _go_on(self) -> None:
        """Write what there is room for."""
        self._rooms.tidy()
        waiting = self._waiting
        while waiting:
            first = waiting[0]
            if isinstance(first, tuple):
                self._wire.tell_now(*first)
            elif not self._write(first):
                return
            waiting.popleft()

    def _tell_room(self) -> None:
        if not self._waiting:
            self._on_room()

    def _write(self, parcel: _Parcel) -> bool:
        """Write as much of a frame as there is room for; tell whether that was all."""
        for part in parcel.parts[len(parcel.places) :]:
            if not self._place(parcel, part):
                return False
        at = self._ring.take(parcel.size) if parcel.size else 0
        if at is None:
            return False
        start = at
        for chunk in parcel.chunks:
            end = start + len(chunk)
            self._memory[start:end] = chunk
            start = end
        self._wire.tell_now(*parcel.message(at))
        return True

    def _place(self, parcel: _Parcel, part: Any) -> bool:
        """Put the next part of a frame where it belongs, if there is room; tell whether there was."""
        length = len(part)
        if parcel.sent:
            return self._cut(parcel, part)
        if LARGE <= length <= self._largest_extent and parcel.places:  # the body is read at once, and never kept
            start = self._rooms.send(part)
            if start is None:
                start = self._pool.take(length)
                if start is not None:
                    self._memory[start : start + length] = part
            if start is not None:
                parcel.places.append((start, length))
                return True
            if not self._held:
                self._need()
                return False
        elif parcel.size + length <= self._largest_region:
            parcel.chunks.append(part)
            parcel.size += length
            parcel.places.append((None, length))
            return True
        return self._cut(parcel, part)

    def _cut(self, parcel: _Parcel, part: Any) -> bool:
        """Send the next part in pieces."""
        length = len(part)
        view = memoryview(part)
        while parcel.sent < length:
            piece = view[parcel.sent : parcel.sent + self._largest_region]
            at = self._ring.take(len(piece))
            if at is None:
                return False
            self._memory[at : at + len(piece)] = piece
            parcel.sent += len(piece)
            self._wire.tell_now(PIECE, at, len(piece), length - parcel.sent)
        parcel.sent = 0
        parcel.places.append((self._beyond, length))
        return True

    def _need(self) -> None:
        """Ask the reader to tell when it has taken everything: then it is of no use to wait."""
        if not self._needed:
            self._needed = True
            self._wire.tell_now(NEED)
