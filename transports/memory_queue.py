"""The queue of a channel inside one event loop: the state that its ends share."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from sage.transports.channel import ChannelStatistics
from sage.transports.credit import Credit
from sage.transports.errors import ReceiverClosed, ReceiverTaken

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
        "_credit",
        "_items",
        "_listener",
        "_received",
        "_receiver",
        "_receiving",
        "_sent",
        "address",
        "loop",
        "name",
        "open_senders",
    )

    def __init__(self, name: str, address: str, capacity: int | None) -> None:
        self.name = name
        self.address = address
        self.loop = asyncio.get_running_loop()
        # Each item with its number of records.
        self._items: deque[tuple[T, int]] = deque()
        self._credit: Credit[Waiter] = Credit(capacity)
        self._listener: Callable[[], None] | None = None
        # Set while a `receive` waits.
        self._receiving: asyncio.Future[None] | None = None
        #: `None` until the first sender has opened: a channel that nobody sent into has not ended.
        self.open_senders: int | None = None
        # Whether the receiver is open; `None` before.
        self._receiver: bool | None = None
        self._sent = 0
        self._received = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._items

    def offer(self, item: T, size: int) -> bool:
        """Append the item if there is room."""
        self.check_wanted()
        if not self._credit.try_acquire(size):
            return False
        self.append(item, size)
        return True

    def stand_in_line(self, sender: object, size: int) -> Waiter:
        """Wait for room that `offer` did not find."""
        waiter = Waiter(sender)
        self._credit.stand_in_line(waiter, size)
        return waiter

    def step_out(self, waiter: Waiter, size: int) -> None:
        """Give up a place in line, or the places that were granted since."""
        self._grant(self._credit.release(size) if waiter.granted else self._credit.withdraw(waiter))

    def append(self, item: T, size: int) -> None:
        """Queue the item; its places are taken already."""
        self._items.append((item, size))
        self._sent += size
        if len(self._items) == 1:
            self._notify()

    def take_all(self) -> list[T]:
        """Empty the queue, but keep the places taken."""
        items = [item for item, _ in self._items]
        self._received += sum(size for _, size in self._items)
        self._items.clear()
        return items

    def take_one(self) -> T:
        """Take the oldest item and release its places; there must be one."""
        item, size = self._items.popleft()
        self._received += size
        self.release(size)
        return item

    def release(self, size: int) -> None:
        """Give places back and wake whoever is granted by that."""
        granted = self._credit.release(size)
        if granted:
            self._grant(granted)

    def listen(self, callback: Callable[[], None]) -> None:
        """Call `callback` when something new can be told, and at once if there is."""
        self._listener = callback
        if self._items or self.open_senders == 0:
            callback()

    async def arrival(self) -> None:
        """Wait until something new can be told; what `listen` was given is called as well."""
        if self._receiving is not None:
            raise RuntimeError(
                f"channel {self.name!r} ({self.address}): two tasks receive at once; give each its own channel"
            )
        self._receiving = self.loop.create_future()
        try:
            await self._receiving
        finally:
            self._receiving = None

    def open_sender(self) -> None:
        """One sender more."""
        self.open_senders = (self.open_senders or 0) + 1

    def close_sender(self, sender: object) -> None:
        """One sender less: wake its sends to be refused; the last one ends the channel."""
        assert self.open_senders, "a sender closed that was never opened"
        self.open_senders -= 1
        for waiter in self._credit.line:
            if waiter.sender is sender:
                waiter.wake()
        if not self.open_senders:
            self._notify()

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
        dropped = sum(size for _, size in self._items)
        self._items.clear()
        self._listener = None
        self._notify()
        for waiter in self._credit.line:
            waiter.wake()
        self.release(dropped)

    def check_wanted(self) -> None:
        """Refuse what is sent once the receiver has had enough."""
        if self._receiver is False:
            raise ReceiverClosed("the receiver wants nothing more", channel=self.name, address=self.address)

    def statistics(self) -> ChannelStatistics:
        """How the queue stands."""
        credit = self._credit
        return ChannelStatistics(self._sent, self._received, credit.used, credit.capacity, credit.waiting)

    def _notify(self) -> None:
        if self._receiving is not None and not self._receiving.done():
            self._receiving.set_result(None)
        if self._listener is not None:
            self._listener()

    def _grant(self, waiters: list[Waiter]) -> None:
        for waiter in waiters:
            waiter.granted = True  # one that was cancelled gives its places back itself, when its task runs
            waiter.wake()
