"""How a descriptor of a queue opens the ends on first use, shares them, and closes them."""

import asyncio
from abc import abstractmethod
from types import TracebackType
from typing import Self, TypeVar

from sage.transports.channel import ReceiveChannel, SendChannel
from sage.transports.descriptor import ChannelDescriptor
from sage.transports.errors import (
    BrokenChannel,
    ChannelError,
    ClosedChannel,
    EndOfChannel,
    ReceiverClosed,
    UnreachableChannel,
    WouldBlock,
)
from sage.transports.getters import Getters
from sage.transports.place import Place, PlaceTaken, place_of

__all__ = ["SharedEnds"]

T = TypeVar("T")
Error = TypeVar("Error", bound=ChannelError)


class SharedEnds(ChannelDescriptor[T]):
    """The ends of a queue behind a descriptor: a sender of its own, and a receiver that is shared in this process.

    ::

        put ─▶ _sender ─▶ open_sender()                                  one for each descriptor
        get ─▶ _getters ─▶ Place.receiver ─▶ open_receiver()             at the host, which is made by the first use
                                          └▶ open_consumer()             away from it
    """

    def __init__(self, maxsize: int, queue_id: str | None = None) -> None:
        super().__init__(maxsize, queue_id)
        self._known_place: Place[T] | None = None
        self._sender: SendChannel[T] | None = None
        self._getters: Getters[T] | None = None
        # The loop in which this descriptor was last used.
        self._loop: asyncio.AbstractEventLoop | None = None
        # Held while the sender is being opened.
        self._opening = asyncio.Lock()
        # Whether the queue may be used directly where this process hosts it.
        self._local = True
        # Whether closing this descriptor closes the queue: it was made here, or `open` was called on it.
        self._owns = True
        self._closed = False

    @property
    @abstractmethod
    def hosted_elsewhere(self) -> bool:
        """Whether the queue is known to live at an address that is not this process."""

    @abstractmethod
    async def open_consumer(self) -> ReceiveChannel[T]:
        """Return an end that takes from the queue at its host elsewhere; each item goes to one of those who take.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            ConnectError: the host cannot be reached.
        """

    @abstractmethod
    def clone(self, new_queue_id: str | None = None) -> Self:
        """Another descriptor of the same queue; with a new name, of another queue that is described alike."""

    @property
    def is_initialized(self) -> bool:
        """Whether an end of the queue is open here."""
        return self._sender is not None or self._place.is_open

    async def open(self) -> Self:
        """Host the queue in this process and return the descriptor; a second time is harmless.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            UnreachableChannel: the queue cannot live here, or is hosted elsewhere already.
            ReceiverClosed: it was hosted here and is closed.
        """
        self._enter()
        place = self._place
        async with place.opening:
            if place.receiver is None:
                await self._become_host()
        self._enter()
        self._check_wanted()
        if not place.hosts:
            raise self._error(UnreachableChannel, "it is hosted elsewhere already")
        self._owns = True
        return self

    async def aclose(self) -> None:
        """Close what this descriptor opened; who waits at it is refused.

        What it has put arrives. If it owns the queue (that is: it was made or opened, not resolved or cloned), that is
        closed too, and drops what nobody got. Whoever puts elsewhere knows it when this returns, but for one whose loop
        has been held up for a second or more: what that puts before it learns of it is dropped, too. Closing twice is
        harmless.

        Cancel safety: when cancelled, all is closed all the same, but the arrival of what was put was not waited for.

        Raises:
            BrokenChannel: the host went away before it had everything, and no `put` has told so before.
            UnreachableChannel: it is open in another event loop.
        """
        if self._closed:
            return
        if self._owns or self._loop is not None:
            self._enter_place()
        self._closed = True
        sender, self._sender = self._sender, None
        getters, self._getters = self._getters, None
        if getters is not None:
            getters.refuse(self)
        try:
            if sender is not None:
                await sender.aclose()
        finally:
            if self.hosted_elsewhere:
                if getters is not None:
                    await self._place.part()
            elif self._owns:
                await self._place.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- where -------------------------------------------------------------------------------------------------------

    @property
    def _home(self) -> str:
        """What tells the queue from others of its kind and name: where it lives, as far as this descriptor knows.

        It is asked for before there is a place, and may not use it.
        """
        return self.address

    @property
    def _place(self) -> Place[T]:
        """What the descriptors of the queue share in this process."""
        place = self._known_place
        if place is None:
            place = self._known_place = place_of(self.queue_type, self.queue_id, self._home)
        return place

    def _enter(self) -> None:
        """Check that the descriptor can be used in the running loop."""
        if self._closed:
            raise self._error(ClosedChannel, "this descriptor is closed; clone it")
        if self._loop is not asyncio.get_running_loop():
            lost = self._enter_place()
            if lost:
                raise self._error(
                    BrokenChannel, f"the event loop it lived in has ended, and {lost} records with it; it is empty now"
                )

    def _enter_place(self) -> int:
        """Forget what was open in a loop that has ended; return how many records were lost by that."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return 0
        if self._place.inherited:
            # What is open is the parent's. Go on as a descriptor that was sent to this process.
            twin = self.clone()
            twin._known_place = None
            vars(self).update(vars(twin))
        try:
            lost = self._place.enter()
        except PlaceTaken:
            raise self._error(
                UnreachableChannel, "it is open in another event loop, which goes on; use or close it there"
            ) from None
        self._sender = self._getters = None
        self._opening = asyncio.Lock()
        self._loop = loop
        return lost

    # -- opening -----------------------------------------------------------------------------------------------------

    async def _open_sender(self) -> SendChannel[T]:
        async with self._opening:
            if self._sender is None:
                place = self._place
                if not self.hosted_elsewhere:
                    async with place.opening:
                        if place.queue is None and place.receiver is None:
                            await self._become_host()
                self._check_wanted()
                sender = await self.open_sender()
                try:
                    self._enter()  # it may have been closed meanwhile
                except ClosedChannel:
                    await sender.aclose()
                    raise
                self._sender = sender
        return self._sender

    async def _open_getters(self) -> Getters[T]:
        place = self._place
        async with place.opening:
            if place.receiver is None:
                await (self._join_host() if self.hosted_elsewhere else self._become_host())
        self._enter()
        return self._getters or self._take_part()

    def _take_part(self) -> Getters[T]:
        """Be one of those who take by the receiver of the place."""
        place = self._place
        if place.receiver is None:
            raise self._ended()
        self._getters = place.getters
        place.takers += 1
        return self._getters

    async def _join_host(self) -> None:
        receiver = await self.open_consumer()
        if self._closed:
            await receiver.aclose()
        else:
            self._place.keep(receiver, None)

    async def _become_host(self) -> None:
        """Open the receiving end as the queue's host. Nothing is open afterwards if the queue is closed by then."""
        if not self._place.closed:
            await self._keep_ends(self._place)
        if self._place.closed:
            await self._place.aclose()

    async def _keep_ends(self, place: Place[T]) -> None:
        receiver = await self.open_receiver()
        try:
            place.keep(receiver, await self.open_sender())
        except BaseException:
            await receiver.aclose()
            place.forget()
            raise

    def _open_sender_at_once(self) -> SendChannel[T]:
        self._check_wanted()
        place = self._place
        if place.queue is None and place.receiver is None:
            self._host_at_once()
        self._sender = self._sender_at_once()
        return self._sender

    def _open_getters_at_once(self) -> Getters[T]:
        place = self._place
        if place.closed:
            raise self._ended()
        if place.receiver is None:
            self._host_at_once()
        return self._take_part()

    def _sender_at_once(self) -> SendChannel[T]:
        """The sender that `put_nowait` needs, without waiting; kinds that must wait for it refuse."""
        raise self._not_open()

    def _host_at_once(self) -> None:
        """Host the queue, without waiting; kinds that must wait for it refuse."""
        raise self._not_open()

    def _check_wanted(self) -> None:
        if self._place.closed:
            raise self._error(ReceiverClosed, "its host has closed it")

    # -- errors ------------------------------------------------------------------------------------------------------

    def _ended(self) -> ChannelError:
        """What whoever gets is told when the receiving end is closed."""
        if self._closed:
            return self._error(ClosedChannel, "this descriptor is closed; clone it")
        return self._error(EndOfChannel, "its host has closed it")

    def _not_open(self) -> WouldBlock:
        remedy = "put() or get()" if self.hosted_elsewhere else "open()"
        return self._error(WouldBlock, f"it is not open yet: await {remedy} first")

    def _error(self, kind: type[Error], message: str) -> Error:
        return kind(message, channel=self.name, address=self.address)
