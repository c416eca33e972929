"""msgpack, as one uses it by hand."""

from typing import Any, Final

import msgpack

__all__ = ["pack", "unpack"]

# By its types, the one could return `None` and the other nothing that is known.
pack: Final[Any] = msgpack.packb
unpack: Final[Any] = msgpack.unpackb
