"""Values to bytes and back, for every transport that leaves the process."""

from collections.abc import Sequence
from typing import Any

from sage.transports.codec.decoder import Decoder, Items
from sage.transports.codec.encoder import Encoded, Encoder
from sage.transports.codec.types import DEFAULT_TYPES, Types
from sage.transports.errors import CodecError

__all__ = ["Codec"]


class Codec:
    """Turns values into bytes and back. What arrives equals what was sent and has its type; `extensions` lists them.

    Large arrays are not copied: they travel beside the body, and are read where they arrive.

    A codec can be used by several threads, and again from the functions that `register_type` was given.

    Args:
        types: the classes that travel by name; those of the process when not given.
        pickle: carry values of other types by pickle. Reading a pickle runs code of the sender: allow it between
            processes that have shown each other who they are, and nowhere else.
        max_bytes: how many bytes one value, or one frame, may have, its buffers included.
    """

    __slots__ = ("_decoders", "_encoders", "max_bytes", "pickle", "types")

    def __init__(self, *, types: Types | None = None, pickle: bool = False, max_bytes: int = 1 << 30) -> None:
        self.types = DEFAULT_TYPES if types is None else types
        self.pickle = pickle
        self.max_bytes = max_bytes
        # Those that are not in use. Appending and popping are atomic, so threads need no lock.
        self._encoders: list[Encoder] = []
        self._decoders: list[Decoder] = []

    def encode(self, value: Any) -> Encoded:
        """Turn a value into bytes. Arrays in `Encoded.buffers` must not be changed until those are sent.

        Raises:
            CodecError: it holds something that cannot be carried. The message tells its type, its place and the
                remedy; the codec can go on being used.
        """
        return self.encode_items([value])

    def decode(self, body: Any, buffers: Sequence[Any] = ()) -> Any:
        """Turn the bytes of one value back into it.

        Args:
            body: as encoded; any bytes-like object.
            buffers: as encoded, in that order; bytes-like objects. What is read in place keeps the very object alive
                that was given here, and is read-only if that is.

        Raises:
            CodecError: these are not the bytes of a value, or not of one that can be made here.
        """
        values, sizes = self.decode_items(body, buffers)
        if len(values) != 1 or sizes is not None:
            raise CodecError(f"cannot decode: it is a frame of {len(values)} items, not one value")
        return values[0]

    def encode_items(self, items: list[Any]) -> Encoded:
        """Turn a list of items, each counting for one record, into the body and buffers of one frame.

        Raises:
            CodecError: as in `encode`; nothing of the list is encoded.
        """
        try:
            encoder = self._encoders.pop()
        except IndexError:
            encoder = self.new_encoder()
        try:
            return encoder.encode(items)
        finally:
            self._encoders.append(encoder)

    def new_encoder(self) -> Encoder:
        """What packs as this codec does, for who uses it alone and not from two places at once."""
        return Encoder(self.types, pickle=self.pickle, max_bytes=self.max_bytes)

    def decode_items(self, body: Any, buffers: Sequence[Any] = ()) -> Items:
        """Turn the bytes of a frame back into its items and their sizes.

        Raises:
            CodecError: as in `decode`.
        """
        try:
            decoder = self._decoders.pop()
        except IndexError:
            decoder = Decoder(self.types, pickle=self.pickle, max_bytes=self.max_bytes)
        try:
            return decoder.decode(body, buffers)
        finally:
            self._decoders.append(decoder)
