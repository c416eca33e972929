"""Which transport makes the channels of a job."""

from collections.abc import Sequence
from typing import Any

from sage.errors import NotAvailable
from sage.transports import ChannelDescriptor, MemoryDescriptor

__all__ = ["Channels"]


class Channels:
    """Describes channels of one transport; implements `DataTransport`.

    Args:
        transport: its name, as in `Config.transport`.
    """

    def __init__(self, transport: str) -> None:
        if transport not in self.kinds():
            kinds = ", ".join(self.kinds())
            raise NotAvailable(f"transport={transport!r} is not in this version; write one of {kinds}")

    def kinds(self) -> Sequence[str]:
        """See `DataTransport.kinds`."""
        return ("memory",)

    def channel(self, name: str, capacity: int | None) -> ChannelDescriptor[Any]:
        """See `DataTransport.channel`."""
        return MemoryDescriptor(name, capacity)
