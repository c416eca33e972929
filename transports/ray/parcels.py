"""What lies in the actor's queue: frames as they came, which nobody there opens."""

from collections.abc import Sequence
from pickle import PickleBuffer
from typing import Any, NamedTuple, Self

from sage.transports.codec import Frame

__all__ = ["Loss", "Parcel", "Parcels"]


class Parcel(NamedTuple):
    """A packed frame."""

    #: How many items are to be taken out.
    items: int
    body: bytes
    #: Its buffers. On the way they are wrapped, so that Ray carries them beside its message without a copy.
    buffers: Sequence[Any]
    #: How many items come before those: a consumer that is gone has taken them.
    skip: int = 0

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """The parcel that holds a frame."""
        return cls(frame.items, frame.body, frame.buffers)

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        return len(self.body) + sum([memoryview(buffer).nbytes for buffer in self.buffers])

    def without(self, items: int) -> "Parcel":
        """The rest, when `items` of it were taken."""
        return self._replace(items=self.items - items, skip=self.skip + items)

    def __reduce__(self) -> tuple[Any, ...]:
        return Parcel, (self.items, self.body, [PickleBuffer(buffer) for buffer in self.buffers], self.skip)


class Loss(NamedTuple):
    """Stands where the items of a sender stop because it went away."""

    message: str
    #: Who it was.
    peer: str
    items: int = 1
    nbytes: int = 0

    def without(self, items: int) -> "Loss":
        """The rest, when it was taken: nothing."""
        return self._replace(items=self.items - items)


#: Parcels in order, each with its size in records.
Parcels = list[tuple[Parcel | Loss, int]]
