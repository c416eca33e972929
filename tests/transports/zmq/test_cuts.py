"""What happens when the network is cut: for a moment, and for good."""

import asyncio
import random
from typing import Any

import pytest

from sage.transports import BrokenChannel, EndOfChannel, ReceiveChannel, SendChannel
from sage.transports.zmq import RPCQueueDescriptor
from tests.transports.zmq.far import open_far_sender
from tests.transports.zmq.proxy import Proxy

Queue = RPCQueueDescriptor[Any]


def through(proxy: Proxy, queue: Queue) -> Queue:
    """The queue as one sees it from behind the proxy."""
    description = queue.to_dict()
    description["metadata"]["port"] = proxy.port
    return Queue.from_dict(description, local=False)


async def send_numbers(sender: SendChannel[int], count: int) -> None:
    async with sender:
        for number in range(count):
            await sender.send(number)


async def everything(receiver: ReceiveChannel[Any]) -> list[Any]:
    items = []
    while True:
        try:
            items.append(await receiver.receive())
        except EndOfChannel:
            return items


async def until_sent(receiver: ReceiveChannel[Any], count: int) -> None:
    """Return when so many records have come; the listener is called for each first one."""
    came = asyncio.Event()
    receiver.listen(came.set)
    while receiver.statistics().sent < count:
        came.clear()
        await came.wait()


@pytest.mark.parametrize("seed", range(2))
async def test_short_cuts_lose_repeat_and_reorder_nothing(seed: int) -> None:
    chance = random.Random(seed)
    queue = Queue(maxsize=500)
    receiver = await queue.open_receiver()
    async with Proxy(queue.port, lambda: chance.randint(500, 10_000)) as proxy, asyncio.timeout(60):
        sender = await through(proxy, queue).open_sender()
        sending = asyncio.create_task(send_numbers(sender, 10_000))
        assert await everything(receiver) == list(range(10_000))
        await sending
        assert proxy.cuts > 2
    await receiver.aclose()


async def test_short_cuts_do_not_disturb_who_takes() -> None:
    chance = random.Random(7)
    queue = await Queue(maxsize=500).open()
    async with Proxy(queue.port, lambda: chance.randint(500, 5_000)) as proxy, asyncio.timeout(60):
        taker = through(proxy, queue)

        async def put_all() -> None:
            for number in range(5_000):
                await queue.put(number)

        putting = asyncio.create_task(put_all())
        assert [await taker.get() for _ in range(5_000)] == list(range(5_000))
        await putting
        assert proxy.cuts > 2
        await taker.aclose()
    assert queue.empty()
    await queue.aclose()


async def test_a_cut_for_good_is_told_at_both_ends_behind_all_that_arrived() -> None:
    queue = Queue(maxsize=10, lost_after=0.2)
    receiver = await queue.open_receiver()
    async with Proxy(queue.port) as proxy, asyncio.timeout(60):
        far = through(proxy, queue)
        sender = await far.open_sender()
        await sender.send("arrived")
        await until_sent(receiver, 1)
        proxy.cut(down=True)
        assert await receiver.receive() == "arrived"
        with pytest.raises(BrokenChannel, match=r"process \d+ .* went away: no connection for 0.2 s") as lost:
            await receiver.receive()
        assert "process" in lost.value.peer
        with pytest.raises(BrokenChannel, match=rf"the host at tcp://127.0.0.1:{proxy.port} is lost: no connection"):
            while True:
                await sender.send("lost", 10)
        await sender.aclose()
    await receiver.aclose()


def hosted_anew(queue: Queue) -> Queue:
    """A queue of the same name, without a place yet, that has nothing to do with the other one."""
    description = queue.to_dict()
    description["metadata"]["port"] = 0
    return Queue.from_dict(description, local=False)


async def test_a_host_that_was_restarted_is_told_from_one_that_came_back() -> None:
    queue = Queue(maxsize=10, lost_after=60)
    receiver = await queue.open_receiver()
    async with Proxy(queue.port) as proxy, asyncio.timeout(60):
        sender = await through(proxy, queue).open_sender()
        taker = await through(proxy, queue).open_consumer()
        await sender.send("before")
        assert await taker.receive() == "before"
        proxy.cut()
        await sender.send("after a cut")
        assert await taker.receive() == "after a cut"
        other = hosted_anew(queue)
        other_receiver = await other.open_receiver()
        proxy.host_port = other.port
        proxy.cut()
        with pytest.raises(BrokenChannel, match="was restarted, and what was in the queue is lost"):
            while True:
                await sender.send("nobody has room for that", 10)
        with pytest.raises(BrokenChannel, match="was restarted"):
            await taker.receive()
        await other_receiver.aclose()
    await receiver.aclose()


async def test_a_sender_that_was_given_up_meanwhile_is_told_so() -> None:
    queue = Queue(maxsize=10, lost_after=60)
    receiver = await queue.open_receiver()
    async with Proxy(queue.port) as proxy, asyncio.timeout(60):
        sender = await through(proxy, queue).open_sender()
        await sender.send("before")
        await until_sent(receiver, 1)
        host = queue._place.host
        while host._sessions:  # its heartbeats are counted here: the sender's own are not
            proxy.cut()
            host._timer.cancel()
            host._beat()
            await asyncio.sleep(0)
        with pytest.raises(BrokenChannel, match="gave us up"):
            while True:
                await sender.send("after", 10)
    await receiver.aclose()


async def test_one_that_comes_again_under_its_identity_learns_what_was_received() -> None:
    queue = Queue(maxsize=10)
    receiver = await queue.open_receiver()
    async with asyncio.timeout(60):
        first = await open_far_sender(queue, sender_id="writer")
        for number in range(3):
            await first.send(number)
        await until_sent(receiver, 3)
        second = await open_far_sender(queue, sender_id="writer")
        assert second.received == 3
        with pytest.raises(BrokenChannel, match="sends under its identity 'writer' now"):
            while True:
                await first.send("too late", 10)
        await second.send(3)
        await second.aclose()
        assert await everything(receiver) == [0, 1, 2, 3]
        third = await open_far_sender(queue, sender_id="writer")
        assert third.received == 4
        await third.aclose()
    await receiver.aclose()
