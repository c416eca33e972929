"""Many items in one message.

Items are packed one by one, so that what cannot be carried is refused where it is put, and joined without packing
anything again. A frame has the layout of any other body (see `extensions`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from typing import Any, Final, NamedTuple

from msgpack import Packer

from sage.transports.codec.codec import Codec
from sage.transports.codec.decoder import Items
from sage.transports.codec.encoder import Encoded, Encoder
from sage.transports.errors import CodecError

__all__ = ["Frame", "FrameWriter", "array_header", "read_frame"]

# A body begins with: array of 2, nil, array of n items. These are its first bytes for one item.
_PREFIX: Final = len(b"\x92\xc0\x91")

# Sizes travel as 64 bits, signed.
_TOO_MANY: Final = 1 << 63


class Frame(NamedTuple):
    """Items on their way.

    Attributes:
        items: how many there are.
        records: how many records they count for.
        body: their bytes.
        buffers: what travels beside the body, in this order, as in `Encoded`.
    """

    items: int
    records: int
    body: bytes
    buffers: Sequence[Any]


# As `Frame(...)`, in a third of the time.
_frame: Final[Callable[[tuple[int, int, bytes, Sequence[Any]]], Frame]] = partial(tuple.__new__, Frame)


class FrameWriter:
    """Gathers the items of one sender until they leave as a frame.

    Whoever reads the frame refuses more than `Codec.max_bytes`: take what is held before `nbytes` grows beyond that.

    Attributes:
        nbytes: the bytes of what is held, buffers included.
    """

    __slots__ = ("_beyond_items", "_beyond_parts", "_buffers", "_codec", "_encoder", "_parts", "_sizes", "nbytes")

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._encoder: Encoder | None = None
        self._clear()

    def _clear(self) -> None:
        self.nbytes = 0
        # What is held, in order, without what precedes it in a body: views are of a whole one.
        self._parts: list[bytes | memoryview] = []
        # How many items there are beyond one for each part, and records beyond one for each item: nothing to count when
        # a single one is put.
        self._beyond_parts = 0
        self._beyond_items = 0
        self._buffers: list[Any] = []
        # Nothing while all are 1.
        self._sizes: list[int] | None = None

    @property
    def items(self) -> int:
        """How many items are held."""
        return len(self._parts) + self._beyond_parts

    @property
    def records(self) -> int:
        """How many records they count for."""
        return self.items + self._beyond_items

    @property
    def buffers(self) -> int:
        """How many buffers are held: the parts a message will have beside its body."""
        return len(self._buffers)

    def pack(self, item: Any) -> Encoded:
        """Pack an item without adding it.

        Raises:
            CodecError: it cannot be carried; the writer is as it was.
        """
        return self._codec.encode_items([item])

    def add(self, encoded: Encoded, size: int = 1) -> None:
        """Add a packed item that counts for `size` records.

        Raises:
            ValueError: the size is negative, or does not fit into 64 bits.
        """
        body, buffers = encoded
        if size != 1 or self._sizes is not None:
            self._note_size(size)
        nbytes = len(body)
        self._parts.append(memoryview(body)[_PREFIX:])
        if buffers:
            nbytes += self._add_buffers(buffers)
        self.nbytes += nbytes

    def put(self, item: Any, size: int = 1) -> int:
        """As `add(pack(item), size)`, in a third of the time; return by how much `nbytes` grew.

        Raises:
            CodecError: it cannot be carried; the writer is as it was.
            ValueError: as in `add`.
        """
        encoder = self._encoder
        if encoder is None or encoder.busy:  # whoever puts from a hook of the codec needs another
            encoder = self._encoder = self._codec.new_encoder()
        packed = encoder.encode_value(item)
        beside = encoder.take_beside() if encoder.beside else None
        if size != 1 or self._sizes is not None:
            self._note_size(size)
        self._parts.append(packed)
        nbytes = len(packed) + (self._add_buffers(beside) if beside else 0)
        self.nbytes += nbytes
        return nbytes

    def pack_many(self, items: Sequence[Any]) -> None:
        """Pack and add items that count for one record each, all at once.

        Raises:
            CodecError: one of them cannot be carried; the writer is as it was.
        """
        count = len(items)
        if not count:
            return
        body, buffers = self._codec.encode_items(items if type(items) is list else list(items))
        self._parts.append(memoryview(body)[2 + len(array_header(count)) :])
        if self._sizes is not None:
            self._sizes += repeat(1, count)
        self._beyond_parts += count - 1
        self.nbytes += len(body) + (self._add_buffers(buffers) if buffers else 0)

    def take(self) -> Frame:
        """All that is held as one frame; the writer is empty then."""
        items = self.items
        frame = _frame((items, items + self._beyond_items, self._body(), self._buffers))
        self._clear()
        return frame

    def _note_size(self, size: int) -> None:
        if not 0 <= size < _TOO_MANY:
            raise ValueError(f"an item holds from 0 to {_TOO_MANY - 1} records; its size cannot be {size}")
        if self._sizes is None:
            self._sizes = [1] * self.items
        self._sizes.append(size)
        self._beyond_items += size - 1

    def _add_buffers(self, buffers: list[Any]) -> int:
        self._buffers += buffers
        return sum([buffer.nbytes for buffer in buffers])

    def _body(self) -> bytes:
        parts = self._parts
        if self._sizes is None and len(parts) == 1 and type(parts[0]) is not bytes:
            whole: Any = parts[0]
            body: bytes = whole.obj
            return body
        sizes = b"\xc0" if self._sizes is None else Packer().pack(self._sizes)
        return b"".join((b"\x92", sizes, array_header(self.items), *parts))


def array_header(count: int) -> bytes:
    """What msgpack puts before the elements of an array."""
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


def read_frame(codec: Codec, body: Any, buffers: Sequence[Any], *, items: int | None = None) -> Items:
    """The items of a frame, with their sizes in records.

    Args:
        codec: how they are read.
        body: the frame's; any bytes-like object.
        buffers: the frame's, in that order; see `Codec.decode`.
        items: how many there must be, if that is known.

    Raises:
        CodecError: it is not exactly what a writer makes.
    """
    read = codec.decode_items(body, buffers)
    if items is not None and len(read.values) != items:
        raise CodecError(f"cannot decode: the frame has {len(read.values)} items, but {items} were announced")
    return read
