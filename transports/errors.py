"""What can go wrong with a channel, told apart by who caused it.

::

    TransportError
    ├── ChannelError            carries the channel's name and address
    │   ├── WouldBlock          only from the `_nowait` methods: nothing there, or no room, now
    │   ├── ClosedChannel       you closed this end and went on using it
    │   ├── ReceiverClosed      the receiver wants nothing more (a normal end, seen from the sender)
    │   ├── BrokenChannel       the peer went away without ending
    │   ├── EndOfChannel        every sender has ended and everything was received
    │   ├── ReceiverTaken       the channel has its one receiver already
    │   └── UnreachableChannel  the queue lives where this process or event loop cannot reach it
    │       └── ConnectError    nobody answered there in time, or whoever did refused
    │           └── AccessDenied    it wants keys that were not shown, or others
    ├── CodecError              a value that cannot be encoded, or bytes that cannot be decoded
    ├── QueueFactoryError       a factory that was registered for a kind of queue failed
    └── InvalidChannel          a channel was described with a value that cannot be
"""

from functools import partial
from typing import Any

__all__ = [
    "AccessDenied",
    "BrokenChannel",
    "ChannelError",
    "ClosedChannel",
    "CodecError",
    "ConnectError",
    "EndOfChannel",
    "InvalidChannel",
    "QueueFactoryError",
    "ReceiverClosed",
    "ReceiverTaken",
    "TransportError",
    "UnreachableChannel",
    "WouldBlock",
]


class TransportError(Exception):
    """Root of all errors of `sage.transports`."""


class InvalidChannel(TransportError, ValueError):
    """A channel was described with a value that cannot be; the message names the value and what is allowed."""


class CodecError(TransportError):
    """A value that cannot be encoded, or bytes that cannot be decoded; the message names the type and the remedy."""


class QueueFactoryError(TransportError, RuntimeError):
    """A factory that was registered for a kind of queue failed; the cause is what it raised."""


class ChannelError(TransportError):
    """Something about one channel.

    Attributes:
        channel: the name of the channel.
        address: where its queue lives, e.g. ``memory://orders``.
    """

    def __init__(self, message: str, *, channel: str, address: str) -> None:
        super().__init__(f"channel {channel!r} ({address}): {message}")
        self._message = message
        self.channel = channel
        self.address = address

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross processes. By default an exception is made again from its text alone, without the keywords.
        again = partial(type(self), channel=self.channel, address=self.address)
        return again, (self._message,), self.__dict__


class WouldBlock(ChannelError):
    """There is nothing to receive, or no room to send, at this moment. Raised by `_nowait` methods only."""


class ClosedChannel(ChannelError):
    """This end was closed by its own holder before."""


class ReceiverClosed(ChannelError):
    """The receiver closed its end: it wants nothing more. What was not received is dropped."""


class BrokenChannel(ChannelError):
    """The peer went away without ending the channel; what it still had to send is lost.

    Attributes:
        peer: who it was, as far as is known: its process and address.
    """

    def __init__(self, message: str, *, channel: str, address: str, peer: str = "") -> None:
        super().__init__(message, channel=channel, address=address)
        self.peer = peer


class EndOfChannel(ChannelError):
    """All senders have closed their ends and everything they sent was received."""


class ReceiverTaken(ChannelError):
    """The channel has, or had, its one receiver; a second one cannot be opened."""


class UnreachableChannel(ChannelError):
    """The queue lives where this process or event loop cannot reach it."""


class ConnectError(UnreachableChannel):
    """Nobody answered at the channel's address in time, or whoever did speaks another language or has another queue."""


class AccessDenied(ConnectError):
    """The host lets in only who shows the right keys; these were not shown, or others."""
