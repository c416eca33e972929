"""What every channel does, whatever carries it. An implementation passes it in its own test file::

    class TestMemoryChannel(ChannelContract):
        @pytest.fixture
        def maker(self) -> Maker:
            return MemoryDescriptor

Nothing here assumes that an item has arrived because it was sent: where something must not happen, or must have
happened on the other side, the test calls `settle`, which an implementation with a wire overrides.
"""

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from sage.transports import (
    ChannelDescriptor,
    ChannelError,
    ClosedChannel,
    EndOfChannel,
    InvalidChannel,
    ReceiveChannel,
    ReceiverClosed,
    ReceiverTaken,
    SendChannel,
    WouldBlock,
)

__all__ = ["ChannelContract", "Maker", "Opened"]

T = TypeVar("T")
Maker = Callable[[str, int | None], ChannelDescriptor[Any]]


class Opened:
    """A channel with its ends, and the tasks that a test started at them."""

    def __init__(
        self, descriptor: ChannelDescriptor[Any], receiver: ReceiveChannel[Any], senders: list[SendChannel[Any]]
    ) -> None:
        self.descriptor = descriptor
        self.receiver = receiver
        self.senders = senders
        self.sender = senders[0]
        self.tasks: list[asyncio.Task[Any]] = []

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self.tasks.append(task)
        return task

    async def take(self, count: int) -> list[Any]:
        """Drain until `count` items came, without giving their places back."""
        items: list[Any] = []
        there = asyncio.Event()
        self.receiver.listen(there.set)
        while len(items) < count:
            await there.wait()
            there.clear()
            items += self.receiver.drain()
        return items

    async def everything(self) -> list[Any]:
        """Receive until the end."""
        items = []
        while True:
            try:
                items.append(await self.receiver.receive())
            except EndOfChannel:
                return items

    async def aclose(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for sender in self.senders:
            await sender.aclose()
        await self.receiver.aclose()


class ChannelContract:
    """The suite. A subclass has a fixture `maker`, which describes a new channel by name and capacity."""

    async def settle(self) -> None:
        """Return when all that is under way has arrived, on both sides."""
        for _ in range(10):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def open(self, maker: Maker, capacity: int | None = 3, senders: int = 1) -> AsyncIterator[Opened]:
        descriptor = maker("orders", capacity)
        receiver = await descriptor.open_receiver()
        opened = Opened(descriptor, receiver, [await descriptor.open_sender() for _ in range(senders)])
        try:
            async with asyncio.timeout(10):
                yield opened
        finally:
            await opened.aclose()

    # --- order and bounds ---------------------------------------------------------------------------------------------

    async def test_items_arrive_in_order_and_then_the_end(self, maker: Maker) -> None:
        async with self.open(maker, capacity=3) as channel:
            everything = channel.start(channel.everything())
            for number in range(50):
                await channel.sender.send(number)
            await channel.sender.aclose()
            assert await everything == list(range(50))

    async def test_order_is_kept_for_each_of_several_senders(self, maker: Maker) -> None:
        async def send_all(name: int, sender: SendChannel[Any]) -> None:
            async with sender:
                for number in range(30):
                    await sender.send((name, number), 1 + number % 3)

        async with self.open(maker, capacity=4, senders=3) as channel:
            for name, sender in enumerate(channel.senders):
                channel.start(send_all(name, sender))
            items = [tuple(item) for item in await channel.everything()]
            assert sorted(items) == [(name, number) for name in range(3) for number in range(30)]
            for name in range(3):
                assert [number for sender, number in items if sender == name] == list(range(30))

    async def test_the_bound_counts_records_not_items(self, maker: Maker) -> None:
        async with self.open(maker, capacity=4) as channel:
            await channel.sender.send("three", 3)
            assert not channel.sender.try_send("two", 2)
            assert channel.sender.try_send("one", 1)
            assert not channel.sender.try_send("more", 1)
            assert await channel.take(2) == ["three", "one"]

    async def test_an_item_larger_than_the_channel_enters_an_empty_one_only(self, maker: Maker) -> None:
        async with self.open(maker, capacity=3) as channel:
            await channel.sender.send("small")
            assert not channel.sender.try_send("large", 10)
            large = channel.start(channel.sender.send("large", 10))
            await self.settle()
            assert not large.done()
            assert await channel.receiver.receive() == "small"
            await large
            assert not channel.sender.try_send("behind")
            assert await channel.receiver.receive() == "large"

    async def test_what_holds_no_record_always_enters_and_stays_in_order(self, maker: Maker) -> None:
        async with self.open(maker, capacity=1, senders=2) as channel:
            await channel.sender.send("item")
            waiting = channel.start(channel.senders[1].send("waits"))
            await self.settle()
            assert channel.sender.try_send("mark", 0)
            await channel.sender.send("another mark", 0)
            assert await channel.take(3) == ["item", "mark", "another mark"]
            assert not waiting.done()

    async def test_a_channel_without_a_bound_takes_everything(self, maker: Maker) -> None:
        async with self.open(maker, capacity=None) as channel:
            for number in range(200):
                await channel.sender.send(number, 100)
            await channel.sender.aclose()
            assert await channel.everything() == list(range(200))

    async def test_a_negative_size_is_refused(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            with pytest.raises(ValueError, match="-1"):
                channel.sender.try_send("item", -1)
            with pytest.raises(ValueError, match="-1"):
                await channel.sender.send("item", -1)

    # --- waiting for room ---------------------------------------------------------------------------------------------

    async def test_who_waits_is_served_in_order_of_arrival(self, maker: Maker) -> None:
        async with self.open(maker, capacity=1, senders=4) as channel:
            await channel.sender.send(0)
            for number, sender in enumerate(channel.senders[1:], 1):
                channel.start(sender.send(number))
                await self.settle()
            assert [await channel.receiver.receive() for _ in range(4)] == [0, 1, 2, 3]

    async def test_a_release_lets_in_as_many_as_fit_and_no_more(self, maker: Maker) -> None:
        async with self.open(maker, capacity=4, senders=4) as channel:
            await channel.sender.send("all", 4)
            waiting = []
            for number, sender in enumerate(channel.senders):
                waiting.append(channel.start(sender.send(number, 1)))
                await self.settle()
            assert await channel.take(1) == ["all"]
            channel.receiver.release(2)
            await self.settle()
            assert [task.done() for task in waiting] == [True, True, False, False]
            channel.receiver.release(2)
            await asyncio.gather(*waiting)
            assert channel.receiver.statistics().used == 4

    async def test_nobody_overtakes_a_large_item_in_line(self, maker: Maker) -> None:
        async with self.open(maker, capacity=3, senders=3) as channel:
            await channel.sender.send("first", 2)
            large = channel.start(channel.senders[1].send("large", 3))
            await self.settle()
            assert not channel.senders[2].try_send("small")  # it would fit
            small = channel.start(channel.senders[2].send("small"))
            await self.settle()
            assert not large.done()
            assert not small.done()
            assert [await channel.receiver.receive() for _ in range(3)] == ["first", "large", "small"]

    async def test_drained_items_keep_their_places_until_they_are_released(self, maker: Maker) -> None:
        async with self.open(maker, capacity=2) as channel:
            await channel.sender.send("a")
            await channel.sender.send("b")
            assert await channel.take(2) == ["a", "b"]
            await self.settle()
            assert not channel.sender.try_send("c")
            waiting = channel.start(channel.sender.send("c"))
            await self.settle()
            assert not waiting.done()
            channel.receiver.release(1)
            await waiting
            assert not channel.sender.try_send("d")
            assert await channel.take(1) == ["c"]

    async def test_more_than_was_taken_cannot_be_released(self, maker: Maker) -> None:
        async with self.open(maker, capacity=2) as channel:
            await channel.sender.send("a")
            await channel.take(1)
            channel.receiver.release(1)
            with pytest.raises(ValueError, match="1 places are given back, but 0 are taken"):
                channel.receiver.release(1)

    # --- cancellation -------------------------------------------------------------------------------------------------

    async def test_a_cancelled_send_was_not_sent_and_holds_up_nobody(self, maker: Maker) -> None:
        async with self.open(maker, capacity=3, senders=3) as channel:
            await channel.sender.send("first", 2)
            large = channel.start(channel.senders[1].send("large", 3))
            await self.settle()
            small = channel.start(channel.senders[2].send("small", 1))
            await self.settle()
            large.cancel()
            await small
            assert large.cancelled()
            await channel.sender.send("mark", 0)
            assert await channel.take(3) == ["first", "small", "mark"]

    async def test_a_send_cancelled_right_after_it_was_granted_gives_its_places_on(self, maker: Maker) -> None:
        async with self.open(maker, capacity=1, senders=3) as channel:
            await channel.sender.send("first")
            granted = channel.start(channel.senders[1].send("cancelled"))
            await self.settle()
            behind = channel.start(channel.senders[2].send("behind"))
            await self.settle()
            await channel.take(1)
            channel.receiver.release(1)
            granted.cancel()
            await behind
            assert granted.cancelled()
            assert await channel.take(1) == ["behind"]

    @pytest.mark.parametrize("release_at", range(4))
    @pytest.mark.parametrize("cancel_at", range(6))
    async def test_a_send_is_cancelled_as_a_whole_or_not_at_all(
        self, maker: Maker, release_at: int, cancel_at: int
    ) -> None:
        async with self.open(maker, capacity=1, senders=2) as channel:
            await channel.sender.send("first")
            await channel.take(1)
            task = channel.start(channel.senders[1].send("second"))
            for turn in range(7):
                if turn == release_at:
                    channel.receiver.release(1)
                if turn == cancel_at:
                    task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([task])
            await channel.sender.send("mark", 0)
            expected = [] if task.cancelled() else ["second"]
            assert await channel.take(len(expected) + 1) == [*expected, "mark"]
            channel.receiver.release(len(expected))
            await channel.sender.send("the place is free again")

    async def test_a_cancelled_receive_took_nothing(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            receive = channel.start(channel.receiver.receive())
            await self.settle()
            receive.cancel()
            await asyncio.wait([receive])
            await channel.sender.send("item")
            assert await channel.receiver.receive() == "item"

    @pytest.mark.parametrize("send_at", range(4))
    @pytest.mark.parametrize("cancel_at", range(6))
    async def test_a_receive_is_cancelled_as_a_whole_or_not_at_all(
        self, maker: Maker, send_at: int, cancel_at: int
    ) -> None:
        async with self.open(maker) as channel:
            task = channel.start(channel.receiver.receive())
            for turn in range(7):
                if turn == send_at:
                    await channel.sender.send("item")
                if turn == cancel_at:
                    task.cancel()
                await asyncio.sleep(0)
            await channel.sender.aclose()
            await asyncio.wait([task])
            received = [] if task.cancelled() else [task.result()]
            assert received + await channel.everything() == ["item"]

    # --- receiving ----------------------------------------------------------------------------------------------------

    async def test_nothing_is_there(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            assert channel.receiver.drain() == []
            with pytest.raises(WouldBlock):
                channel.receiver.receive_nowait()

    async def test_what_is_there_is_received_at_once(self, maker: Maker) -> None:
        async with self.open(maker, capacity=2) as channel:
            await channel.sender.send("a", 2)
            await self.settle()
            assert channel.receiver.receive_nowait() == "a"
            await channel.sender.send("b", 2)

    async def test_one_task_may_wait_at_a_time(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            first = channel.start(channel.receiver.receive())
            await self.settle()
            with pytest.raises(RuntimeError, match="'orders'"):
                await channel.receiver.receive()
            await channel.sender.send("item")
            assert await first == "item"

    async def test_who_listens_is_called_for_what_is_there_and_what_comes(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            calls: list[str] = []
            channel.receiver.listen(lambda: calls.append("first"))
            await self.settle()
            assert calls == []
            await channel.sender.send("a")
            await self.settle()
            assert calls == ["first"]
            channel.receiver.listen(lambda: calls.append("second"))
            assert calls == ["first", "second"]
            assert channel.receiver.drain() == ["a"]
            await channel.sender.send("b")
            await self.settle()
            assert calls == ["first", "second", "second"]

    async def test_who_listens_is_called_at_the_end(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            ended = asyncio.Event()
            channel.receiver.listen(ended.set)
            await channel.sender.aclose()
            await ended.wait()
            called: list[bool] = []
            channel.receiver.listen(lambda: called.append(True))
            assert called == [True]

    async def test_a_receive_in_between_leaves_the_listener_in_place(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            calls: list[bool] = []
            channel.receiver.listen(lambda: calls.append(True))
            receive = channel.start(channel.receiver.receive())
            await self.settle()
            await channel.sender.send("a")
            assert await receive == "a"
            before = len(calls)
            await channel.sender.send("b")
            await self.settle()
            assert len(calls) == before + 1

    # --- ends ---------------------------------------------------------------------------------------------------------

    async def test_a_channel_that_nobody_has_opened_to_send_has_not_ended(self, maker: Maker) -> None:
        async with await maker("orders", 3).open_receiver() as receiver:
            await self.settle()
            assert receiver.drain() == []

    async def test_the_channel_ends_with_its_last_sender(self, maker: Maker) -> None:
        async with self.open(maker, senders=2) as channel:
            await channel.senders[0].send("a")
            await channel.senders[0].aclose()
            assert await channel.take(1) == ["a"]
            await self.settle()
            assert channel.receiver.drain() == []
            await channel.senders[1].send("b")
            await channel.senders[1].aclose()
            await channel.senders[1].aclose()
            assert await channel.everything() == ["b"]
            for use in (channel.receiver.drain, channel.receiver.receive_nowait):
                with pytest.raises(EndOfChannel):
                    use()

    async def test_who_waits_to_receive_learns_of_the_end(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            receive = channel.start(channel.receiver.receive())
            await self.settle()
            await channel.sender.aclose()
            with pytest.raises(EndOfChannel):
                await receive

    async def test_the_receiver_has_had_enough(self, maker: Maker) -> None:
        async with self.open(maker, capacity=1, senders=3) as channel:
            await channel.sender.send("dropped")
            waiting = []
            for sender in channel.senders[1:]:
                waiting.append(channel.start(sender.send("waits")))
                await self.settle()
            await channel.receiver.aclose()
            await channel.receiver.aclose()
            for task in waiting:
                with pytest.raises(ReceiverClosed):
                    await task
            await self.settle()
            for size in (0, 1):
                with pytest.raises(ReceiverClosed):
                    channel.sender.try_send("refused", size)
                with pytest.raises(ReceiverClosed):
                    await channel.sender.send("refused", size)

    async def test_a_sender_that_was_closed_is_refused(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            async with channel.sender:
                pass
            for size in (0, 1):
                with pytest.raises(ClosedChannel):
                    channel.sender.try_send("item", size)
                with pytest.raises(ClosedChannel):
                    await channel.sender.send("item", size)

    async def test_a_send_that_waits_is_refused_when_its_sender_is_closed(self, maker: Maker) -> None:
        async with self.open(maker, capacity=1, senders=2) as channel:
            await channel.sender.send("first")
            waiting = channel.start(channel.sender.send("refused"))
            await self.settle()
            behind = channel.start(channel.senders[1].send("behind"))
            await self.settle()
            await channel.sender.aclose()
            with pytest.raises(ClosedChannel):
                await waiting
            assert await channel.receiver.receive() == "first"
            await behind
            await channel.senders[1].aclose()
            assert await channel.everything() == ["behind"]

    async def test_a_receiver_that_was_closed_is_refused(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            await channel.sender.send("dropped")
            async with channel.receiver:
                pass
            for use in (channel.receiver.drain, channel.receiver.receive_nowait):
                with pytest.raises(ClosedChannel):
                    use()
            with pytest.raises(ClosedChannel):
                await channel.receiver.receive()
            with pytest.raises(ClosedChannel):
                channel.receiver.listen(lambda: None)

    async def test_a_receive_that_waits_is_refused_when_its_receiver_is_closed(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            waiting = channel.start(channel.receiver.receive())
            await self.settle()
            await channel.receiver.aclose()
            with pytest.raises(ClosedChannel):
                await waiting

    async def test_a_channel_has_one_receiver(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            with pytest.raises(ReceiverTaken) as caught:
                await channel.descriptor.open_receiver()
            self.check_names(channel, caught.value)
            await channel.sender.send("item")
            assert await channel.receiver.receive() == "item"

    # --- what is told -------------------------------------------------------------------------------------------------

    async def test_statistics_count_records(self, maker: Maker) -> None:
        async with self.open(maker, capacity=5) as channel:
            await channel.sender.send("a", 3)
            await channel.sender.send("mark", 0)
            await channel.sender.send("b", 2)
            waiting = channel.start(channel.sender.send("c", 4))
            await self.settle()
            assert channel.sender.statistics().waiting == 1
            assert channel.receiver.statistics()._replace(waiting=0) == (5, 0, 5, 5, 0)
            await channel.take(3)
            assert channel.receiver.statistics()._replace(waiting=0) == (5, 5, 5, 5, 0)
            channel.receiver.release(5)
            await waiting
            await self.settle()
            assert channel.receiver.statistics() == (9, 5, 4, 5, 0)
            assert channel.sender.statistics().waiting == 0

    async def test_every_error_names_the_channel_and_its_address(self, maker: Maker) -> None:
        async with self.open(maker, senders=2) as channel:
            with pytest.raises(WouldBlock) as nothing:
                channel.receiver.receive_nowait()
            await channel.senders[1].aclose()
            with pytest.raises(ClosedChannel) as closed:
                channel.senders[1].try_send("item")
            await channel.receiver.aclose()
            await self.settle()
            with pytest.raises(ReceiverClosed) as enough:
                channel.sender.try_send("item")
            with pytest.raises(ClosedChannel) as closed_too:
                channel.receiver.drain()
            for caught in (nothing, closed, enough, closed_too):
                self.check_names(channel, caught.value)
        async with self.open(maker) as channel:
            await channel.sender.aclose()
            with pytest.raises(EndOfChannel) as ended:
                await channel.receiver.receive()
            self.check_names(channel, ended.value)

    def check_names(self, channel: Opened, error: ChannelError) -> None:
        address = channel.descriptor.address
        assert (error.channel, error.address) == ("orders", address)
        assert "'orders'" in str(error)
        assert address in str(error)

    async def test_ends_have_the_name_of_the_channel(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            assert channel.sender.name == channel.receiver.name == "orders"

    # --- descriptors --------------------------------------------------------------------------------------------------

    async def test_copies_of_a_descriptor_name_the_same_channel(self, maker: Maker) -> None:
        descriptor = maker("orders", 3)
        pickled: ChannelDescriptor[Any] = pickle.loads(pickle.dumps(descriptor))
        assert descriptor == pickled == copy.copy(descriptor)
        assert hash(descriptor) == hash(pickled)
        receiver = await pickled.open_receiver()
        async with asyncio.timeout(10), receiver, await copy.copy(descriptor).open_sender() as sender:
            await sender.send("item")
            assert await receiver.receive() == "item"

    async def test_channels_of_the_same_name_are_different(self, maker: Maker) -> None:
        async with self.open(maker) as one, self.open(maker) as other:
            assert one.descriptor != other.descriptor
            await one.sender.send("item")
            await self.settle()
            assert other.receiver.drain() == []

    @pytest.mark.parametrize("capacity", [0, -1])
    def test_a_channel_holds_at_least_one_record(self, maker: Maker, capacity: int) -> None:
        with pytest.raises(InvalidChannel, match=rf"'orders': capacity is {capacity};"):
            maker("orders", capacity)
