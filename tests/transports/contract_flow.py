"""What every channel does with what flows: order, bounds, waiting for room, cancellation."""

import asyncio
from typing import Any

import pytest

from sage.transports import SendChannel
from tests.transports.opened import Maker, OpensChannels

__all__ = ["FlowContract"]


class FlowContract(OpensChannels):
    """Nothing is lost, repeated or out of place, and no more is inside than fits."""

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
            await self.settle()
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
            first, *others = await channel.take(3)
            assert first == "first"
            assert sorted(others) == ["mark", "small"]  # of two senders: no order is promised

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
