"""What a transport implements so that the ends of this package reach each other.

Four small contracts, one for each end of the two kinds of connection. Everything above them (credit, waiting, ends,
statistics) is shared by all transports; below them are sockets, rings and resending::

    at the sender                                     at the host
    RemoteSender ──▶ SenderLink  ~~~~~~~~~~~~~~~~▶  SenderSeat ──▶ HostedQueue
                 ◀── (events)    ◀~~~~~~~~~~~~~~~~  SenderPeer ◀──

    at a consumer                                     at the host
    RemoteReceiver ──▶ ConsumerLink ~~~~~~~~~~~~~▶  ConsumerSeat ──▶ HostedQueue
                   ◀── (events)     ◀~~~~~~~~~~~~~  ConsumerPeer ◀──

A link delivers every message once and in order, or tells that it is broken. None of these methods waits: what cannot be
written now, the link keeps until it can; credit bounds how much that is.
"""

from abc import ABC, abstractmethod
from typing import Any, Protocol

from sage.transports.codec import Frame, Items
from sage.transports.errors import ChannelError

__all__ = ["ConsumerEvents", "ConsumerLink", "ConsumerPeer", "SenderEvents", "SenderLink", "SenderPeer"]


class SenderLink(ABC):
    """The connection of one sender to its host, as the sender uses it.

    Attributes:
        frame_bytes: how many bytes are worth a frame of their own: few where a frame costs little.
    """

    frame_bytes: int = 1 << 18

    @abstractmethod
    def start(self, events: "SenderEvents") -> None:
        """Tell what comes from now on to `events`."""

    @property
    @abstractmethod
    def congested(self) -> bool:
        """Whether so many bytes wait to be written that the sender shall pause; `SenderEvents.uncongested` tells when
        that is over."""

    @abstractmethod
    def send(self, frame: Frame) -> None:
        """Send items; their records were granted."""

    @abstractmethod
    def want(self, places: int, least: int) -> None:
        """Ask for `places` more places. It replaces an earlier request.

        With fewer than `least` nothing can be sent. `least` is 0 when nothing waits to be sent yet: then the host gives
        what it can spare, once that is worth a message, and lets nobody wait for it.
        """

    @abstractmethod
    def give_back(self, places: int) -> None:
        """Return places that were granted and are not needed."""

    @abstractmethod
    def end(self) -> None:
        """Tell, behind all that was sent, that nothing more will come; `SenderEvents.ended` tells when it arrived."""

    @abstractmethod
    def close(self) -> None:
        """Give up the connection at once. What was sent and has not arrived may be lost. Closing twice is harmless."""

    async def closed(self) -> None:
        """Wait until what the closed link used (sockets, tasks, files) is free.

        Cancel safety: it is freed all the same.
        """


class SenderEvents(Protocol):
    """What a `SenderLink` tells; called on the sender's loop."""

    def granted(self, places: int, queued: int) -> None:
        """The host gave `places` more places; `queued` records are in its queue. `granted(0, n)` tells `n` only."""

    def recalled(self) -> None:
        """Others wait: give back what is not needed now, until more is granted than was needed."""

    def uncongested(self) -> None:
        """`SenderLink.congested` is over."""

    def unwanted(self) -> None:
        """The receiver wants nothing more."""

    def ended(self) -> None:
        """The end, and so all before it, has arrived."""

    def broken(self, error: ChannelError) -> None:
        """The host is gone, or has refused: nothing more can be sent."""


class SenderPeer(ABC):
    """One sender, as the host's side reaches it. Identify it in `describe`, for errors."""

    @abstractmethod
    def describe(self) -> str:
        """Who it is: its process and address, as far as is known."""

    @abstractmethod
    def grant(self, places: int, queued: int) -> None:
        """Give it `places`; tell that `queued` records are in the queue."""

    @abstractmethod
    def recall(self) -> None:
        """Ask for places that it does not need now."""

    @abstractmethod
    def unwanted(self) -> None:
        """Tell it that the receiver wants nothing more."""

    def put_out(self, reason: str) -> None:
        """Its seat was given to another sender of the same identity: tell it by `SenderEvents.broken`, and disconnect.

        A transport that does not care for the difference tells it that it is not wanted.
        """
        self.unwanted()


class ConsumerLink(ABC):
    """The connection of one consumer to the host, as the consumer uses it."""

    @abstractmethod
    def start(self, events: "ConsumerEvents") -> None:
        """Tell what comes from now on to `events`."""

    @abstractmethod
    def want(self, records: int) -> None:
        """Be ready to be given `records` more."""

    @abstractmethod
    def acknowledge(self, items: int) -> None:
        """Tell that the oldest `items` that were delivered are taken: the host may forget them."""

    @abstractmethod
    def leave(self) -> None:
        """Tell, behind all acknowledgements, that no more is wanted; `ConsumerEvents.left` tells when it arrived."""

    @abstractmethod
    def close(self) -> None:
        """Give up the connection at once. Closing twice is harmless."""

    async def closed(self) -> None:
        """Wait until what the closed link used is free.

        Cancel safety: it is freed all the same.
        """


class ConsumerEvents(Protocol):
    """What a `ConsumerLink` tells; called on the consumer's loop."""

    def delivered(self, items: Items) -> None:
        """Items came."""

    def told(self, queued: int) -> None:
        """`queued` records are in the host's queue, beside those delivered to this consumer."""

    def finished(self) -> None:
        """Nothing more will come: every sender has ended, or the host has closed the queue."""

    def left(self) -> None:
        """The leave, and so all acknowledgements, has arrived."""

    def broken(self, error: ChannelError) -> None:
        """The host is gone, or has refused."""


class ConsumerPeer(ABC):
    """One consumer, as the host's side reaches it."""

    @abstractmethod
    def describe(self) -> str:
        """Who it is: its process and address, as far as is known."""

    @abstractmethod
    def deliver(self, items: list[tuple[Any, int]], queued: int) -> None:
        """Give it items, each with its size; tell that `queued` records are left in the queue.

        Raises:
            CodecError: an item that was put at the host cannot be carried; none was delivered.
        """

    @abstractmethod
    def finished(self) -> None:
        """Tell it that nothing more will come."""
