"""Queues over Ray: the same queue from many processes, and what each learns when another goes away."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy
import pytest

from sage.transports import (
    BrokenChannel,
    ClosedChannel,
    CodecError,
    ConnectError,
    EndOfChannel,
    InvalidChannel,
    ReceiverClosed,
    ReceiverTaken,
    UnreachableChannel,
    WouldBlock,
    create_queue,
    resolve_descriptor,
)
from sage.transports.ray import RayQueueDescriptor
from tests.transports.ray.seen import SeenDescriptor, quiet
from tests.transports.ray.workers import start


@pytest.fixture
async def queue() -> AsyncIterator[RayQueueDescriptor[Any]]:
    """A queue of 4 places that lives here."""
    async with asyncio.timeout(60), await SeenDescriptor(4).open() as queue:
        yield queue


def far(queue: RayQueueDescriptor[Any]) -> RayQueueDescriptor[Any]:
    """The same queue, reached as from another process."""
    return type(queue).from_dict(queue.to_dict(), local=False)


async def test_a_queue_is_used_from_where_it_lives(queue: RayQueueDescriptor[Any]) -> None:
    json.dumps(queue.to_dict())
    for number in range(4):
        await queue.put(number)
        assert queue.qsize() == number + 1
    await quiet()
    assert (queue.qsize(), queue.full(), queue.empty()) == (4, True, False)
    with pytest.raises(WouldBlock):
        queue.put_nowait(4)
    assert [queue.get_nowait(), await queue.get()] == [0, 1]
    assert queue.qsize() == 2
    await quiet()
    assert queue.qsize() == 2
    assert [await queue.get(), await queue.get()] == [2, 3]
    await quiet()
    assert queue.empty()
    with pytest.raises(WouldBlock):
        queue.get_nowait()


async def test_a_full_queue_waits_and_a_cancelled_put_leaves_nothing(queue: RayQueueDescriptor[Any]) -> None:
    async with far(queue) as other:
        for number in range(4):
            await other.put(number)
        cancelled = asyncio.create_task(other.put("cancelled"))
        waiting = asyncio.create_task(queue.put("waited"))
        await quiet()
        assert not waiting.done()
        cancelled.cancel()
        assert [await queue.get() for _ in range(4)] == [0, 1, 2, 3]
        await waiting
        assert await queue.get() == "waited"
        assert cancelled.cancelled()


async def test_a_cancelled_get_loses_nothing_and_keeps_nothing_from_others(queue: RayQueueDescriptor[Any]) -> None:
    async with far(queue) as impatient, far(queue) as patient:
        cancelled = asyncio.create_task(impatient.get())
        await quiet()
        cancelled.cancel()
        waiting = asyncio.create_task(patient.get())
        await quiet()
        await queue.put("item")  # it may go to the impatient one first, who asked before
        assert await waiting == "item"


async def test_what_cannot_be_carried_is_refused_where_it_is_put(queue: RayQueueDescriptor[Any]) -> None:
    with pytest.raises(CodecError, match="register_type"):
        await queue.put(object())
    await queue.put("still works")
    assert await queue.get() == "still works"


async def test_what_cannot_be_read_is_told_and_dropped(queue: RayQueueDescriptor[Any]) -> None:
    pickling: RayQueueDescriptor[Any] = RayQueueDescriptor.from_dict(
        {**queue.to_dict(), "metadata": {**queue.metadata, "allow_pickle": True}}, local=False
    )
    async with pickling:
        await pickling.put(ValueError("only pickle knows it"))
        with pytest.raises(CodecError):
            await queue.get()
        await pickling.put("still works")
        assert await queue.get() == "still works"
        await quiet()
        assert queue.empty()


async def test_large_arrays_cross(queue: RayQueueDescriptor[Any]) -> None:
    worker = start(queue.to_dict())
    big = numpy.arange(300_000)
    await worker.put.remote([big, big + 1])
    assert (await queue.get() == big).all()
    assert (await queue.get() == big + 1).all()


async def test_producers_and_consumers_in_actors_share_it_exactly_once() -> None:
    async with (
        asyncio.timeout(60),
        await RayQueueDescriptor[int](32).open() as queue,
        await RayQueueDescriptor[int](32).open() as results,
    ):
        consumers = [start(queue.to_dict()) for _ in range(2)]
        handing_on = [consumer.hand_on.remote(results.to_dict()) for consumer in consumers]
        producers = [start(queue.to_dict()) for _ in range(2)]
        put = [producer.put_and_close.remote([n * 1000 + i for i in range(50)]) for n, producer in enumerate(producers)]
        got = [await results.get() for _ in range(100)]
        assert sorted(got) == [n * 1000 + i for n in range(2) for i in range(50)]
        await asyncio.gather(*put)
        await queue.aclose()
        await asyncio.gather(*handing_on)  # they learn of the end


async def test_order_is_kept_for_each_sender(queue: RayQueueDescriptor[Any]) -> None:
    workers = [start(queue.to_dict()) for _ in range(2)]
    put = [worker.put_and_close.remote([(n, i) for i in range(50)]) for n, worker in enumerate(workers)]
    got = [await queue.get() for _ in range(100)]
    for n in range(2):
        assert [i for sender, i in got if sender == n] == list(range(50))
    await asyncio.gather(*put)


async def test_a_consumer_that_is_killed_loses_nothing(queue: RayQueueDescriptor[Any]) -> None:
    import ray

    worker = start(queue.to_dict())
    for number in range(4):
        await queue.put(number)
    assert await worker.drain_without_release.remote() != []
    ray.kill(worker)
    got = [await queue.get() for _ in range(4)]
    assert sorted(got) == [0, 1, 2, 3]


async def test_a_sender_that_is_killed_is_told_of_once(queue: RayQueueDescriptor[Any]) -> None:
    import ray

    worker = start(queue.to_dict())
    assert await worker.put.remote(["from the dead"]) == "put"
    assert await queue.get() == "from the dead"
    ray.kill(worker)
    with pytest.raises(
        BrokenChannel, match=r"process \d+ on .* \(Ray actor .*\) went away: its process is gone"
    ) as told:
        await queue.get()
    assert told.value.peer.startswith("process")
    await queue.put("goes on")
    assert await queue.get() == "goes on"


async def test_when_its_owner_closes_it_everybody_learns_that_by_its_name() -> None:
    queue = await SeenDescriptor(1).open()
    worker, reader, writer = start(queue.to_dict()), far(queue), far(queue)
    async with asyncio.timeout(60):
        assert await worker.put.remote([1]) == "put"
        assert await reader.get() == 1
        assert await worker.put.remote([2]) == "put"  # now there is no room for others
        putting = worker.put.remote([3])
        waiting = asyncio.create_task(writer.put(4))
        await quiet()
        await queue.aclose()
        assert await putting == "ReceiverClosed"
        with pytest.raises(ReceiverClosed):
            await waiting
        with pytest.raises(ClosedChannel):
            await queue.put(1)
        with pytest.raises(ConnectError, match="no queue of this name is open"):
            await far(queue).put(1)
        with pytest.raises(EndOfChannel):
            while True:
                await reader.get()
        await reader.aclose()
        await writer.aclose()


async def test_when_the_actor_dies_everybody_learns_that_it_is_broken() -> None:
    import ray

    queue = await RayQueueDescriptor[int](1).open()
    other = far(queue)
    async with asyncio.timeout(60):
        getting = asyncio.create_task(queue.get())
        await other.put(0)
        assert await getting == 0
        getting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        ray.kill(ray.get_actor(queue.queue_id, "sage"))
        with pytest.raises(BrokenChannel, match=f"the Ray actor of queue '{queue.queue_id}' is gone"):
            await getting
        with pytest.raises(BrokenChannel):
            while True:
                await other.put(1)
        await other.aclose()
        await queue.aclose()


async def test_a_queue_described_before_it_is_open_is_hosted_by_the_first_who_uses_it() -> None:
    described: RayQueueDescriptor[int] = RayQueueDescriptor(4)
    worker = start(described.to_dict())
    async with asyncio.timeout(60):
        assert await worker.put.remote([1]) == "put"
        assert await described.get() == 1
        assert not described.is_initialized or described.hosted_elsewhere
        with pytest.raises(UnreachableChannel, match="hosted elsewhere"):
            await described.open()
        await described.aclose()


async def test_a_name_is_taken_once_in_a_cluster_and_free_after_the_close(queue: RayQueueDescriptor[Any]) -> None:
    with pytest.raises(ReceiverTaken, match="open already"):
        await queue.clone().open_receiver()
    other: RayQueueDescriptor[int] = RayQueueDescriptor.from_dict(queue.to_dict(), local=False)
    with pytest.raises(ReceiverTaken, match="a queue of this name is open in the cluster"):
        await other.open_receiver()
    await queue.aclose()
    async with await RayQueueDescriptor[str](4, queue.queue_id).open() as again:
        await again.put("new")
        assert await again.get() == "new"


async def test_closing_leaves_nothing_behind() -> None:
    import ray
    from ray.exceptions import RayActorError

    queue = await RayQueueDescriptor[int](4).open()
    actor: Any = ray.get_actor(queue.queue_id, "sage")
    async with far(queue) as other:
        await other.put(1)
        assert await queue.get() == 1
    await queue.aclose()
    async with asyncio.timeout(60):
        with pytest.raises(RayActorError):
            while True:  # it is told to die, which takes a moment
                await actor.listen.remote("nobody", 0)
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert tasks == []


def test_a_descriptor_is_lazy_and_travels() -> None:
    queue = create_queue("ray", maxsize=64)
    twin = resolve_descriptor(json.loads(queue.to_json()))
    assert isinstance(twin, RayQueueDescriptor)
    assert (twin, twin.maxsize, twin.is_initialized) == (queue, 64, False)
    assert str(queue.address) == f"ray://sage/{queue.queue_id}"
    with pytest.raises(InvalidChannel, match="address=17 is not a str"):
        RayQueueDescriptor(address=17)  # type: ignore[arg-type]
