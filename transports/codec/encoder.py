"""One packer and what it needs to tell msgpack of all other types."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from msgpack import Packer

from sage.transports.codec.arrays import numpy_writer
from sage.transports.codec.buffers import LARGE, WRITERS as BUFFER_WRITERS, lifted
from sage.transports.codec.extensions import CARRIED, WRITERS
from sage.transports.codec.marks import NAMED, extension
from sage.transports.codec.pickles import write_pickle
from sage.transports.codec.places import place_of
from sage.transports.codec.shapes import Shape, shape_of
from sage.transports.codec.types import Types
from sage.transports.errors import CodecError

__all__ = ["Encoded", "Encoder"]

# The memory a packer begins with. It keeps the most it ever needed; one that needed more than `_KEPT` is given up.
_FIRST: Final = 1 << 16
_KEPT: Final = 1 << 20

# How many values behind a large one are looked into.
_ALIKE: Final = 64


class Encoded(NamedTuple):
    """A value as bytes.

    Attributes:
        body: one msgpack object; `extensions` tells its layout.
        buffers: what travels beside it, in this order: contiguous memoryviews of bytes. They are the sender's own
            memory, not a copy: it must not change until they are sent.
    """

    body: bytes
    buffers: list[Any]


# As `Encoded(body, buffers)`, in a third of the time.
_encoded: Final[Callable[[tuple[bytes, list[Any]]], Encoded]] = partial(tuple.__new__, Encoded)


class Encoder:
    """Packs one thing at a time; not to be used again before it is done, neither from a thread nor from a hook.

    Args:
        types: the classes that travel by name.
        pickle: whether values of unknown types are pickled.
        max_bytes: the limit of body and buffers together.

    Attributes:
        beside: the buffers of what `encode_value` packed, until they are taken.
        busy: it has called a function that may use the codec, and is not done.
    """

    __slots__ = ("_culprit", "_lifting", "_max_bytes", "_pack", "_types", "_watched", "_write_other", "beside", "busy")

    def __init__(self, types: Types, *, pickle: bool, max_bytes: int) -> None:
        self._types = types
        self._write_other = write_pickle if pickle else None
        self._max_bytes = max_bytes
        # From here on there is more to do.
        self._watched = min(LARGE, max_bytes + 1)
        self._pack = self._new_packer().pack
        self.beside: list[Any] = []
        self.busy = False
        # What could not be written.
        self._culprit: Any = None
        # In how many more values to look for large bytes: after a large value others are likely to follow, while
        # looking into all the small ones would take as long as packing them.
        self._lifting = 0

    def encode(self, values: list[Any]) -> Encoded:
        """Pack values into one body.

        Raises:
            CodecError: one of them cannot be carried. The encoder can be used again.
        """
        try:
            body: bytes = self._pack([None, [*map(lifted, values)] if self._lifting else values])
        except Exception as error:
            raise self._refusal(error, values) from error
        if self.busy or self._lifting or len(body) >= self._watched:
            self._heed(body, len(values))
        return _encoded((body, self.take_beside() if self.beside else []))

    def encode_value(self, value: Any) -> bytes:
        """Pack one value by itself, without what is around it in a body. If `beside` holds any buffers, take them.

        Raises:
            CodecError: as `encode`.
        """
        try:
            packed: bytes = self._pack(lifted(value) if self._lifting else value)
        except Exception as error:
            raise self._refusal(error, [value]) from error
        if self.busy or self._lifting or len(packed) >= self._watched:
            self._heed(packed, 1)
        return packed

    def take_beside(self) -> list[Any]:
        """The buffers of what was packed; the encoder, which shall not keep the sender's memory, forgets them."""
        beside, self.beside = self.beside, []
        return beside

    def _new_packer(self) -> Packer:
        return Packer(default=self._write, strict_types=True, buf_size=_FIRST)

    def _heed(self, body: bytes, values: int) -> None:
        """What must be done behind values that msgpack does not know, or that are large, or follow large ones."""
        self.busy = False
        buffers = self.beside
        if not (buffers or self._lifting or len(body) >= self._watched):
            return
        size = len(body) + sum([buffer.nbytes for buffer in buffers])
        copied = len(body) + sum([buffer.nbytes for buffer in buffers if type(buffer.obj) is bytes])
        self._lifting = _ALIKE if copied >= LARGE * values else max(0, self._lifting - 1)
        if len(body) > _KEPT:
            self._pack = self._new_packer().pack
        if size > self._max_bytes:
            self.beside = []
            raise CodecError(f"a value of {size:,} bytes is more than the limit of {self._max_bytes:,} (max_bytes)")

    def _write(self, value: Any) -> Any:
        """What msgpack shall pack instead of a value that it does not know."""
        self.busy = True
        cls = type(value)
        try:
            writer = WRITERS.get(cls)
            if writer is not None:
                written = writer(value)
            elif (entry := self._types.of_class(cls)) is not None:
                written = entry.encode(value)
            else:
                written = self._write_with_buffers(value, cls)
        except Exception:
            self._culprit = value
            raise
        return lifted(written) if self._lifting else written

    def _write_with_buffers(self, value: Any, cls: type[Any]) -> Any:
        write = BUFFER_WRITERS.get(cls) or numpy_writer(cls) or self._write_other
        if write is None:
            raise CodecError(_how_to_carry(cls))
        return write(value, self.beside)

    def _refusal(self, error: Exception, values: list[Any]) -> CodecError:
        """What to raise for an error while packing."""
        self.busy = False
        self.beside = []
        culprit, self._culprit = self._culprit, None
        if isinstance(error, UnicodeEncodeError):
            culprit, reason = error.object, "text with lone surrogates is no UTF-8: send os.fsencode(text)"
        elif isinstance(error, CodecError):
            reason = str(error)
        elif culprit is not None:
            reason = f"{type(error).__name__}: {error}"
        elif isinstance(error, BufferError):
            return CodecError(
                "cannot encode a memoryview that is not C-contiguous: send numpy.asarray(view), or bytes(view)"
            )
        elif "recursion" in str(error):
            return CodecError("cannot encode a value that holds itself or nests more than a thousand levels deep")
        else:
            return CodecError(f"cannot encode a value: {error}")
        place = place_of(culprit, values[0] if len(values) == 1 else values)
        return CodecError(f"cannot encode a value of type {_name(type(culprit))}{place and ' at ' + place}: {reason}")


def _name(cls: type[Any]) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _how_to_carry(cls: type[Any]) -> str:
    shape = shape_of(cls, extension(NAMED))
    functions = "" if isinstance(shape, Shape) else ", encode=..., decode=..."
    remedy = f"call register_type({cls.__name__}{functions}) on both sides"
    base = next((base for base in cls.__mro__ if base in CARRIED or numpy_writer(base)), None)
    if base is not None:
        return f"only {_name(base)} itself travels, not its subclasses: convert it, or {remedy}"
    return f"{remedy} (or allow pickle, between processes that trust each other)"
