"""What tells a receiver that a msgpack array is more than a list; and the codes of all extensions.

A *mark* is an extension value that stands first in an array: ``[mark(tuple), 1, 2]`` is the tuple ``(1, 2)``. So what a
value holds is packed in one pass with everything around it, is never copied into an extension's payload, and may nest
as deep as lists. `extensions` tells what each code means.
"""

from collections.abc import Callable
from typing import Any

from msgpack import ExtType

__all__ = [
    "ARRAY",
    "BUFFER",
    "BYTES",
    "COMPLEX",
    "DATE",
    "DATETIME",
    "DECIMAL",
    "FROZENSET",
    "INT",
    "LAST_MARK",
    "NAMED",
    "NDARRAY",
    "NUMPY_SCALAR",
    "PATH",
    "PICKLED",
    "RANGE",
    "SET",
    "SLICE",
    "TIME",
    "TIMEDELTA",
    "TUPLE",
    "UUID",
    "VIEW",
    "ZONE",
    "Mark",
    "extension",
]

# Marks: up to LAST_MARK.
TUPLE, SET, FROZENSET, RANGE, SLICE, BYTES, VIEW, ARRAY, NDARRAY, NUMPY_SCALAR, NAMED, PICKLED = range(1, 13)
LAST_MARK = 31

# Values by themselves.
BUFFER, INT, DECIMAL, COMPLEX, UUID, DATE, TIME, DATETIME, TIMEDELTA, PATH, ZONE = range(32, 43)


def extension(code: int, payload: bytes = b"") -> Any:
    """An `ExtType`, without its checks, which take longer than packing it."""
    return tuple.__new__(ExtType, (code, payload))


class Mark:
    """One kind of marked array.

    Attributes:
        name: what errors call it.
        head: the first element of the array, as it is packed.
        build: makes the value of the unpacked array, which it may change and whose first element is the mark itself. It
            checks everything: the elements come from the wire.
    """

    __slots__ = ("build", "head", "name")

    def __init__(self, name: str, head: Any, build: Callable[[list[Any]], Any]) -> None:
        self.name = name
        self.head = head
        self.build = build
