"""The queue of a channel inside one event loop: the state that its ends share."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from sage.transports.backlog import Backlog
from sage.transports.channel import ChannelStatistics
from sage.transports.credit import Credit
from sage.transports.errors import ReceiverTaken

__all__ = ["MemoryQueue", "Waiter"]

T = TypeVar("T")


class Waiter:
    """A send in line. Granted and cancelled may both happen before its task runs again: the flag tells."""

    __slots__ = ("future", "granted", "sender")

    def __init__(self, sender: object) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sender = sender
        self.granted = False

    def wake(self) -> None:
        """Let the task look again."""
        if not self.future.done():  # woken or cancelled before, and its task has not run yet
            self.future.set_result(None)


class MemoryQueue(Generic[T]):
    """Items in order, the credit that bounds them, and who waits on either side."""

    __slots__ = (
        "__weakref__",
        "_listener",
        "_received",
        "_receiver",
        "_receiving",
        "address",
        "announce",
        "credit",
        "items",
        "loop",
        "name",
        "open_senders",
        "sent",
        "unwanted",
        "watchers",
    )

    def __init__(self, name: str, address: str, capacity: int | None) -> None:
        self.name = name
        self.address = address
        self.loop = asyncio.get_running_loop()
        #: What is queued.
        self.items: Backlog[T] = Backlog()
        self.credit: Credit[Waiter] = Credit(capacity)
        self._listener: Callable[[], None] | None = None
        # Set while a `receive` waits.
        self._receiving: asyncio.Future[None] | None = None
        #: `None` until the first sender has opened: a channel that nobody sent into has not ended.
        self.open_senders: int | None = None
        # Whether the receiver is open; `None` before.
        self._receiver: bool | None = None
        #: Records sent.
        self.sent = 0
        #: The receiver has closed its end.
        self.unwanted = False
        #: What to call when it does, by sender.
        self.watchers: dict[object, Callable[[], None]] = {}
        #: Called when something new can be told.
        self.announce: Callable[[], None] = _nobody
        self._received = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self.items.values

    @property
    def queued(self) -> int:
        """Records in the queue."""
        return 0 if self.unwanted else self.sent - self._received

    @property
    def ended(self) -> bool:
        """Whether nothing more will come, behind what is there."""
        return self.open_senders == 0

    def stand_in_line(self, sender: object, size: int) -> Waiter:
        """Wait for room that `offer` did not find."""
        waiter = Waiter(sender)
        self.credit.stand_in_line(waiter, size)
        return waiter

    def step_out(self, waiter: Waiter, size: int) -> None:
        """Give up a place in line, or the places that were granted since."""
        self.grant(self.credit.release(size) if waiter.granted else self.credit.withdraw(waiter))

    def append(self, item: T, size: int) -> None:
        """Queue the item; its places are taken already."""
        items = self.items
        items.append(item, size)
        self.sent += size
        if len(items.values) == 1:
            self.announce()

    def take_all(self) -> list[T]:
        """Empty the queue, but keep the places taken."""
        items = self.items
        if len(items.values) == 1:  # the usual case
            item, size = items.take_one()
            self._received += size
            return [item]
        taken, sizes = items.take_all()
        self._received += len(taken) if sizes is None else sum(sizes)
        return taken

    def take_one(self) -> T:
        """Take the oldest item and release its places; there must be one."""
        item, size = self.items.take_one()
        self._received += size
        self.release(size)
        return item

    def take_some(self, most: int) -> list[T]:
        """Take up to `most` of the oldest items and release their places."""
        taken, records = self.items.take_some(most)
        self._received += records
        self.release(records)
        return taken

    def release(self, size: int) -> None:
        """Give places back and wake whoever is granted by that."""
        granted = self.credit.release(size)
        if granted:
            self.grant(granted)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call `callback` when something new can be told, and at once if there is."""
        self._listener = callback
        if self._receiving is None:
            self.announce = callback
        if self.items.values or self.ended:
            callback()

    async def arrival(self) -> None:
        """Wait until something new can be told; what `listen` was given is called as well."""
        if self._receiving is not None:
            raise RuntimeError(
                f"channel {self.name!r} ({self.address}): two tasks receive at once; give each its own channel"
            )
        self._receiving = self.loop.create_future()
        self.announce = self._announce_to_both
        try:
            await self._receiving
        finally:
            self._receiving = None
            self.announce = self._listener or _nobody

    def open_sender(self) -> None:
        """One sender more."""
        self.open_senders = (self.open_senders or 0) + 1

    def close_sender(self, sender: object) -> None:
        """One sender less: wake its sends to be refused; the last one ends the channel."""
        assert self.open_senders, "a sender closed that was never opened"
        self.open_senders -= 1
        self.watchers.pop(sender, None)
        for waiter in tuple(self.credit.line):
            if waiter.sender is sender:
                waiter.wake()
        if not self.open_senders:
            self.announce()

    def open_receiver(self) -> None:
        """The one receiver; a second would take items from the first, or wait for senders that were told to stop."""
        if self._receiver is not None:
            problem = "is open already" if self._receiver else "was closed before"
            raise ReceiverTaken(
                f"its receiver {problem}; describe another channel", channel=self.name, address=self.address
            )
        self._receiver = True

    def close_receiver(self) -> None:
        """Drop what is queued, refuse what comes, wake who waits to be refused."""
        self._receiver = False
        dropped = self.items.clear()
        self.unwanted = True
        for tell in self.watchers.values():
            tell()
        # Who closes knows it: the listener is not called. A `receive` that waits is another task's, and is to be
        # refused.
        self._listener = None
        self.announce = _nobody
        self._wake_receive()
        for waiter in tuple(self.credit.line):
            waiter.wake()
        self.release(dropped)

    def statistics(self) -> ChannelStatistics:
        """How the queue stands."""
        credit = self.credit
        return ChannelStatistics(self.sent, self._received, credit.used, credit.capacity, credit.waiting)

    def grant(self, waiters: list[Waiter]) -> None:
        """Tell sends in line that their places are taken for them."""
        for waiter in waiters:
            waiter.granted = True  # one that was cancelled gives its places back itself, when its task runs
            waiter.wake()

    def _announce_to_both(self) -> None:
        self._wake_receive()
        if self._listener is not None:
            self._listener()

    def _wake_receive(self) -> None:
        if self._receiving is not None and not self._receiving.done():
            self._receiving.set_result(None)


def _nobody() -> None:
    """Nobody listens."""
