"""Channels inside one event loop: items pass by reference, nothing is copied.

Both ends are thin views of one `MemoryQueue`.
"""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from sage.transports.channel import ChannelStatistics, ReceiveChannel, SendChannel, Supply
from sage.transports.errors import ClosedChannel, EndOfChannel, ReceiverClosed, WouldBlock
from sage.transports.memory_queue import MemoryQueue

__all__ = ["MemoryReceiver", "MemorySender"]

T = TypeVar("T")


class MemorySender(SendChannel[T]):
    """The sending end of a channel inside one event loop."""

    __slots__ = ("_closed", "_queue", "address", "name")

    def __init__(self, queue: MemoryQueue[T]) -> None:
        queue.open_sender()
        self.name = queue.name
        self.address = queue.address
        self._queue = queue
        self._closed = False

    def try_send(self, item: T, size: int = 1) -> bool:
        """See `SendChannel.try_send`."""
        queue = self._queue
        if self._closed or queue.unwanted:
            self._refuse()
        if not queue.credit.try_acquire(size):
            return False
        items = queue.items
        values = items.values
        if size == 1 and items.sizes is None:
            values.append(item)
        else:
            items.append(item, size)
        queue.sent += size
        if len(values) == 1:
            queue.announce()
        return True

    async def send(self, item: T, size: int = 1) -> None:
        """See `SendChannel.send`.

        Cancel safety: when cancelled, the item was not sent, and who waits behind is not held up.
        """
        if self.try_send(item, size):
            return
        queue = self._queue
        waiter = queue.stand_in_line(self, size)
        try:
            await waiter.future
            if self._closed or queue.unwanted:
                self._refuse()
        except BaseException:
            queue.step_out(waiter, size)
            raise
        queue.append(item, size)

    def on_unwanted(self, callback: Callable[[], None]) -> None:
        """See `SendChannel.on_unwanted`."""
        self._queue.watchers[self] = callback
        if self._queue.unwanted:
            callback()

    def statistics(self) -> ChannelStatistics:
        """See `SendChannel.statistics`."""
        return self._queue.statistics()

    async def aclose(self) -> None:
        """See `SendChannel.aclose`.

        Cancel safety: nothing is awaited, so it cannot be cancelled half way.
        """
        if not self._closed:
            self._closed = True
            self._queue.close_sender(self)

    def _refuse(self) -> NoReturn:
        queue = self._queue
        if not self._closed:
            raise ReceiverClosed("the receiver wants nothing more", channel=queue.name, address=queue.address)
        raise ClosedChannel("this sender is closed; open another one", channel=queue.name, address=queue.address)


class MemoryReceiver(ReceiveChannel[T]):
    """The receiving end of a channel inside one event loop."""

    __slots__ = ("_closed", "_queue", "address", "name", "supply")

    def __init__(self, queue: MemoryQueue[T]) -> None:
        queue.open_receiver()
        self.name = queue.name
        self.address = queue.address
        self.supply = Supply(queue.items.values, queue.take_one)
        self._queue = queue
        self._closed = False

    def drain(self) -> list[T]:
        """See `ReceiveChannel.drain`."""
        items = self._queue.take_all()
        if not items:
            self._check_more()
        return items

    def release(self, size: int) -> None:
        """See `ReceiveChannel.release`."""
        queue = self._queue
        granted = queue.credit.release(size)
        if granted:
            queue.grant(granted)

    def receive_nowait(self) -> T:
        """See `ReceiveChannel.receive_nowait`."""
        queue = self._queue
        if queue.empty:
            self._check_more()
            raise WouldBlock("nothing is there now", channel=queue.name, address=queue.address)
        return queue.take_one()

    def receive_some_nowait(self, most: int) -> list[T]:
        """See `ReceiveChannel.receive_some_nowait`."""
        return self._queue.take_some(most)

    async def receive(self) -> T:
        """See `ReceiveChannel.receive`.

        Cancel safety: when cancelled, nothing was taken.
        """
        while self._queue.empty:
            self._check_more()
            await self._queue.arrival()
        return self._queue.take_one()

    def listen(self, callback: Callable[[], None]) -> None:
        """See `ReceiveChannel.listen`."""
        self._check_open()
        self._queue.listen(callback)

    def statistics(self) -> ChannelStatistics:
        """See `ReceiveChannel.statistics`."""
        return self._queue.statistics()

    async def aclose(self) -> None:
        """See `ReceiveChannel.aclose`.

        Cancel safety: nothing is awaited, so it cannot be cancelled half way.
        """
        if not self._closed:
            self._closed = True
            self._queue.close_receiver()

    def _check_more(self) -> None:
        """The queue is empty: raise if nothing more will come."""
        self._check_open()
        queue = self._queue
        if queue.ended:
            raise EndOfChannel("every sender has ended", channel=queue.name, address=queue.address)

    def _check_open(self) -> None:
        if self._closed:
            queue = self._queue
            raise ClosedChannel("this receiver is closed", channel=queue.name, address=queue.address)
