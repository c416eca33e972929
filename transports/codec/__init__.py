"""Values to bytes and back: msgpack with extensions.

Read `extensions` for the wire format, `types` for how your own classes travel.

::

    value ── Codec.encode ──▶ body, buffers ── Codec.decode ──▶ value
    items ── FrameWriter ───▶ Frame ────────── read_frame ────▶ items with their sizes
"""

from sage.transports.codec.codec import Codec
from sage.transports.codec.decoder import Items
from sage.transports.codec.encoder import Encoded
from sage.transports.codec.frames import Frame, FrameWriter, array_header, read_frame
from sage.transports.codec.types import DEFAULT_TYPES, InvalidType, Types, register_type

__all__ = [
    "Codec",
    "DEFAULT_TYPES",
    "Encoded",
    "Frame",
    "FrameWriter",
    "InvalidType",
    "Items",
    "Types",
    "array_header",
    "read_frame",
    "register_type",
]
