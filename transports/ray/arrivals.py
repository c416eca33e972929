"""What was delivered to an end and not taken yet."""

from collections import deque
from itertools import islice, repeat
from typing import Any

from sage.transports.codec import Codec
from sage.transports.errors import BrokenChannel, CodecError
from sage.transports.ray.ledger import Ledger
from sage.transports.ray.parcels import Loss, Parcel, Parcels

__all__ = ["Arrivals"]


class Arrivals:
    """Frames in order. A frame is opened when its first item is taken, so one that is not opened can go back.

    Args:
        codec: how frames are read.
        ledger: is told what was taken.
        name: the channel's name, for errors.
        address: where its queue lives, for errors.

    Attributes:
        records: delivered and not taken.
        received: frames that were delivered and not put back.
    """

    def __init__(self, codec: Codec, ledger: Ledger, name: str, address: str) -> None:
        self._codec = codec
        self._ledger = ledger
        self._name = name
        self._address = address
        self.records = 0
        self.received = 0
        self._frames: deque[tuple[Parcel | Loss, int]] = deque()
        # What is left of the open frame: its items, and their sizes if these are not all 1.
        self._items: deque[Any] = deque()
        self._sizes: deque[int] | None = None

    def __bool__(self) -> bool:
        return bool(self._items or self._frames)

    def add(self, frames: Parcels) -> None:
        """Frames came."""
        self._frames += frames
        self.received += len(frames)
        self.records += sum([records for _, records in frames])

    def put_back(self) -> int:
        """Forget the frames that are not opened; return how many these are."""
        count = len(self._frames)
        self.records -= sum([records for _, records in self._frames])
        self.received -= count
        self._frames.clear()
        return count

    def clear(self) -> None:
        """Forget everything."""
        self.put_back()
        self._items.clear()
        self.records = 0

    def take_one(self) -> tuple[Any, int]:
        """The oldest item, and its size. There must be something.

        Raises:
            BrokenChannel: what is oldest is the mark of a sender that went away.
            CodecError: the items that are the oldest cannot be read here; they are dropped.
        """
        if not self._items:
            self._open()
        size = self._sizes.popleft() if self._sizes is not None else 1
        self.records -= size
        return self._items.popleft(), size

    def take_all(self) -> list[Any]:
        """All items, up to something that is told by an error; that is raised when it is the oldest. They are held."""
        taken: list[Any] = []
        while self._items or self._frames:
            if not self._items:
                try:
                    self._open(keep=bool(taken))
                except (BrokenChannel, CodecError):
                    if taken:  # the next one who takes is told
                        break
                    raise
            self._hold()
            taken += self._items
            self._items.clear()
        return taken

    def _hold(self) -> None:
        if self._sizes is None:
            self.records -= len(self._items)
            self._ledger.take(len(self._items), 1)
            return
        self.records -= sum(self._sizes)
        for size in self._sizes:
            self._ledger.take(1, size)

    def _open(self, keep: bool = False) -> None:
        """Open the oldest frame; if that fails, leave it where it is if it shall be kept."""
        frame, records = self._frames[0]
        try:
            if isinstance(frame, Loss):
                raise BrokenChannel(frame.message, channel=self._name, address=self._address, peer=frame.peer)
            items, sizes = self._codec.decode_items(frame.body, frame.buffers)
        except (BrokenChannel, CodecError):
            if not keep:
                self._frames.popleft()
                self._drop(frame.items, records)
            raise
        self._frames.popleft()
        self._items.extend(islice(items, frame.skip, None))
        self._sizes = None if sizes is None else deque(islice(sizes, frame.skip, None))

    def _drop(self, items: int, records: int) -> None:
        """Items are gone without being taken: their places are free."""
        self.records -= records
        for size in (*repeat(0, items - 1), records):
            self._ledger.pass_on(size)
