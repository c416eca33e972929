"""A piece of memory that two processes share, and how it is divided.

It is a memfd: it has no name, so nothing stays behind when its processes die. Its size is sealed, because a process
that reads memory which the other one has cut off dies of SIGBUS.

::

    0                     ring                                            size
    ├──────────────────────┼───────────────────────────────────────────────┤
      ring: frames, copied   pool: large buffers, read in place
      out at once
"""

import fcntl
import mmap
import os
import sys
from typing import Final, NamedTuple

from sage.transports.shm.pool import PAGE

__all__ = ["LEAST_MEMORY", "Layout", "Segment", "create_segment", "map_segment", "shares_memory"]

#: What is too small to be divided.
LEAST_MEMORY: Final = 1 << 18
_LARGEST_RING: Final = 1 << 22
_SEALED: Final = 0x2 | 0x4 | 0x1  # F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL: other systems than Linux lack the names


class Layout(NamedTuple):
    """How a segment is divided: the ring comes first, the pool is what remains. All in bytes."""

    ring: int
    size: int

    @classmethod
    def of(cls, memory: int) -> "Layout":
        """The usual one of `memory` bytes: a quarter for the ring, but not more than goes round within the caches."""
        size = memory - memory % PAGE
        ring = min(size // 4, _LARGEST_RING)
        return cls(ring - ring % PAGE, size)

    @property
    def largest_region(self) -> int:
        """Up to this length, there is always room in the ring when the reader has read everything.

        A region that does not fit before the ring's end skips less than its own length, and the reader may keep an
        eighth of the ring, and what was skipped in it, before it tells that it has read it.
        """
        return self.ring // 4

    @property
    def untold(self) -> int:
        """How many bytes of the ring the reader may have read without telling."""
        return self.ring // 8


class Segment:
    """A mapped memfd.

    Args:
        fd: the memfd; it stays the caller's.
        layout: how it is divided.
    """

    __slots__ = ("layout", "memory")

    def __init__(self, fd: int, layout: Layout) -> None:
        self.layout = layout
        self.memory = mmap.mmap(fd, layout.size)

    def close(self) -> None:
        """Unmap it, now or when the last one who reads in it has gone. Closing twice is harmless."""
        try:
            self.memory.close()
        except BufferError:
            return  # whoever reads in it keeps it


def shares_memory() -> bool:
    """Whether this system can share memory without a name."""
    return sys.platform == "linux" and hasattr(os, "memfd_create")


def create_segment(layout: Layout) -> tuple[Segment, int]:
    """Make a new segment; return it mapped, and its file descriptor, which the caller passes on and closes.

    Raises:
        OSError: there is no memory or no file descriptor left.
    """
    fd = os.memfd_create("sage", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, layout.size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALED)
        return Segment(fd, layout), fd
    except BaseException:
        os.close(fd)
        raise


def map_segment(fd: int, layout: Layout) -> Segment:
    """Map a segment that another process has made; the file descriptor stays the caller's.

    Raises:
        ValueError: it is not what `create_segment` makes, or is divided otherwise.
        OSError: it cannot be mapped.
    """
    if not 0 < layout.ring <= layout.size or layout.ring % PAGE or layout.size % PAGE:
        raise ValueError(f"memory of {layout.size} bytes cannot have a ring of {layout.ring}")
    if os.fstat(fd).st_size != layout.size:
        raise ValueError(f"its memory has {os.fstat(fd).st_size} bytes, not {layout.size}")
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError as error:
        raise ValueError(f"what it shares is no memfd: {error}") from error
    if seals & _SEALED != _SEALED:
        raise ValueError("its memory is not sealed against a change of size")
    return Segment(fd, layout)
