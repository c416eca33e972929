"""Channels inside one event loop: the contract, and what is particular to them."""

import asyncio

import pytest

from sage.transports import PythonQueueDescriptor, ReceiverTaken, UnreachableChannel
from tests.transports.contract import ChannelContract, Maker


class TestMemoryChannel(ChannelContract):
    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: PythonQueueDescriptor(capacity or 0, name)


async def test_items_pass_by_reference() -> None:
    descriptor: PythonQueueDescriptor[list[int]] = PythonQueueDescriptor(3, "orders")
    item = [1, 2]
    async with await descriptor.open_receiver() as receiver, await descriptor.open_sender() as sender:
        await sender.send(item)
        assert await receiver.receive() is item


async def test_a_send_with_room_and_a_receive_of_what_is_there_do_not_suspend() -> None:
    descriptor: PythonQueueDescriptor[str] = PythonQueueDescriptor(3, "orders")
    async with await descriptor.open_receiver() as receiver, await descriptor.open_sender() as sender:
        with pytest.raises(StopIteration):
            sender.send("item").send(None)
        with pytest.raises(StopIteration, match="item"):
            receiver.receive().send(None)


async def test_the_listener_is_called_once_for_each_time_the_queue_was_empty() -> None:
    descriptor: PythonQueueDescriptor[int] = PythonQueueDescriptor(10, "orders")
    calls: list[bool] = []
    async with await descriptor.open_receiver() as receiver, await descriptor.open_sender() as sender:
        receiver.listen(lambda: calls.append(True))
        for number in range(3):
            await sender.send(number)
        assert receiver.drain() == [0, 1, 2]
        await sender.send(3)
        assert len(calls) == 2


async def test_a_send_whose_coroutine_is_closed_leaves_the_line() -> None:
    descriptor: PythonQueueDescriptor[str] = PythonQueueDescriptor(1, "orders")
    async with await descriptor.open_receiver() as receiver, await descriptor.open_sender() as sender:
        await sender.send("first")
        abandoned = sender.send("abandoned")
        abandoned.send(None)
        assert sender.statistics().waiting == 1
        abandoned.close()
        assert sender.statistics().waiting == 0
        assert await receiver.receive() == "first"
        assert sender.try_send("second")


async def test_a_send_granted_while_its_sender_is_closed_gives_the_places_on() -> None:
    descriptor: PythonQueueDescriptor[str] = PythonQueueDescriptor(1, "orders")
    async with await descriptor.open_receiver() as receiver, await descriptor.open_sender() as sender:
        closing = await descriptor.open_sender()
        await sender.send("first")
        refused = asyncio.create_task(closing.send("refused"))
        await asyncio.sleep(0)
        behind = asyncio.create_task(sender.send("behind"))
        await asyncio.sleep(0)
        assert await receiver.receive() == "first"  # grants the first in line
        await closing.aclose()
        await asyncio.wait([refused, behind])
        assert type(refused.exception()).__name__ == "ClosedChannel"
        assert receiver.drain() == ["behind"]


async def test_closing_the_receiver_frees_the_places_of_what_it_drops() -> None:
    descriptor: PythonQueueDescriptor[str] = PythonQueueDescriptor(3, "orders")
    async with await descriptor.open_receiver() as receiver, await descriptor.open_sender() as sender:
        await sender.send("drained", 1)
        receiver.drain()
        await sender.send("dropped", 2)
        waiting = asyncio.create_task(sender.send("refused", 3))
        await asyncio.sleep(0)
        await receiver.aclose()
        await asyncio.wait([waiting])
        assert sender.statistics() == (3, 1, 1, 3, 0)
        receiver.release(1)
        assert sender.statistics().used == 0
        assert waiting.exception() is not None


async def test_a_channel_whose_receiver_was_closed_cannot_be_received_again() -> None:
    descriptor: PythonQueueDescriptor[str] = PythonQueueDescriptor(3, "orders")
    async with await descriptor.open_sender():
        async with await descriptor.open_receiver():
            pass
        with pytest.raises(ReceiverTaken, match=r"'orders' .* was closed before; describe another"):
            await descriptor.open_receiver()


async def test_a_descriptor_from_another_process_is_refused() -> None:
    elsewhere = PythonQueueDescriptor[str].from_metadata("orders", {"process": "elsewhere"})
    for open_end in (elsewhere.open_receiver, elsewhere.open_sender):
        with pytest.raises(
            UnreachableChannel, match=r"'orders' \(memory://orders\): its queue lives in another process"
        ):
            await open_end()


def test_a_channel_of_another_event_loop_is_refused() -> None:
    descriptor: PythonQueueDescriptor[str] = PythonQueueDescriptor(3, "orders")
    with asyncio.Runner() as one, asyncio.Runner() as other:
        receiver = one.run(descriptor.open_receiver())
        with pytest.raises(UnreachableChannel, match="another event loop"):
            other.run(descriptor.open_sender())
        one.run(receiver.aclose())
