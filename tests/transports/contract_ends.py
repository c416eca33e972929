"""What every channel does at its ends: receiving, listening, closing, what is told, and who finds it."""

import asyncio
import copy
import pickle
from typing import Any

import pytest

from sage.transports import (
    ChannelDescriptor,
    ChannelError,
    ClosedChannel,
    EndOfChannel,
    InvalidChannel,
    ReceiverClosed,
    ReceiverTaken,
    WouldBlock,
)
from tests.transports.opened import Maker, Opened, OpensChannels

__all__ = ["EndsContract"]


class EndsContract(OpensChannels):
    """Each side learns in time, by the right name, what the other one did."""

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

    async def test_who_closes_the_receiver_is_not_called_for_it(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            calls: list[str] = []
            channel.receiver.listen(lambda: calls.append("called"))
            receive = channel.start(channel.receiver.receive())
            await self.settle()
            await channel.receiver.aclose()
            with pytest.raises(ClosedChannel):
                await receive
            await channel.sender.aclose()
            await self.settle()
            assert calls == []

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

    async def test_a_sender_that_waits_for_work_learns_that_it_is_not_wanted(self, maker: Maker) -> None:
        async with self.open(maker) as channel:
            calls: list[str] = []
            channel.sender.on_unwanted(lambda: calls.append("told"))
            await self.settle()
            assert calls == []
            await channel.receiver.aclose()
            await self.settle()
            assert calls == ["told"]
            channel.sender.on_unwanted(lambda: calls.append("at once"))
            assert calls == ["told", "at once"]

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
        async with asyncio.timeout(60), receiver, await copy.copy(descriptor).open_sender() as sender:
            await sender.send("item")
            assert await receiver.receive() == "item"

    def test_a_channel_holds_at_least_one_record(self, maker: Maker) -> None:
        with pytest.raises(InvalidChannel, match="'orders': maxsize is -1;"):
            maker("orders", -1)
