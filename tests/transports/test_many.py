"""Many items at once, on queues here and elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sage.transports import BrokenChannel, CodecError, EndOfChannel, PythonQueueDescriptor, QueueDescriptor
from sage.transports.zmq import RPCQueueDescriptor
from tests.transports.zmq.far import open_far_sender

Queue = QueueDescriptor[Any]


@asynccontextmanager
async def here(maxsize: int) -> AsyncIterator[tuple[Queue, Queue]]:
    async with PythonQueueDescriptor[Any](maxsize) as queue:
        await queue.open()
        yield queue, queue.clone()


@asynccontextmanager
async def there(maxsize: int) -> AsyncIterator[tuple[Queue, Queue]]:
    async with RPCQueueDescriptor[Any](endpoint="ipc://*", maxsize=maxsize) as queue:
        await queue.open()
        async with RPCQueueDescriptor[Any].from_dict(queue.to_dict(), local=False) as far:
            yield queue, far


Ways = Callable[[int], Any]
both = pytest.mark.parametrize("way", [here, there])


async def take(queue: Queue, count: int, most: int) -> list[Any]:
    items: list[Any] = []
    while len(items) < count:
        items += await queue.get_many(most)
    return items


@both
@pytest.mark.parametrize("maxsize", [0, 1, 7, 300, 5_000])
async def test_many_arrive_in_order(way: Ways, maxsize: int) -> None:
    async with asyncio.timeout(60), way(maxsize) as (queue, puts):
        putting = asyncio.create_task(puts.put_many(range(3_000)))
        assert await take(queue, 3_000, 256) == list(range(3_000))
        await putting


@both
async def test_one_and_many_keep_their_order(way: Ways) -> None:
    async with asyncio.timeout(60), way(100) as (queue, puts):

        async def put_all() -> None:
            await puts.put(0)
            await puts.put_many([1, 2])
            await puts.put_many(number for number in (3,))
            await puts.put_many([])
            await puts.put(4)

        putting = asyncio.create_task(put_all())
        assert await take(queue, 5, 2) == list(range(5))
        await putting


@both
async def test_no_more_are_put_than_there_is_room(way: Ways) -> None:
    async with asyncio.timeout(60), way(10) as (queue, puts):
        putting = asyncio.create_task(puts.put_many(range(25)))
        got: list[int] = []
        while len(got) < 25:
            got.append(await queue.get())
            assert queue.qsize() <= 10
        assert got == list(range(25))
        await putting


@both
async def test_a_cancelled_call_has_put_a_beginning(way: Ways) -> None:
    async with asyncio.timeout(60), way(10) as (queue, puts):
        putting = asyncio.create_task(puts.put_many(range(100)))
        first = await queue.get_many(3)
        putting.cancel()
        await asyncio.wait([putting])
        assert putting.cancelled()
        await puts.put("end")
        got = first
        while got[-1] != "end":
            got += await queue.get_many(5)
        assert got[:-1] == list(range(len(got) - 1))
        assert 10 <= len(got) - 1 < 100


async def test_no_more_are_taken_than_are_wanted_or_there() -> None:
    async with asyncio.timeout(60), here(0) as (queue, puts):
        await puts.put_many("abcde")
        assert await queue.get_many(2) == ["a", "b"]
        assert await queue.get_many(1) == ["c"]
        assert await queue.get_many(100) == ["d", "e"]
        with pytest.raises(ValueError, match="most=0"):
            await queue.get_many(0)


async def test_what_cannot_be_carried_stops_behind_what_was_put() -> None:
    async with asyncio.timeout(60), there(1_000) as (queue, puts):
        with pytest.raises(CodecError, match="object"):
            await puts.put_many([*range(300), object(), 300])
        await puts.put("end")
        assert await take(queue, 301, 1_000) == [*range(300), "end"]


async def test_a_loss_is_told_behind_what_came_before_it() -> None:
    async with asyncio.timeout(60), there(10) as (queue, puts):
        sender = await open_far_sender(queue)
        await sender.send("before")
        while queue.qsize() < 1:
            await asyncio.sleep(0)
        sender._link.close()
        await puts.put("after")
        while queue.qsize() < 2:
            await asyncio.sleep(0)
        assert await queue.get_many(10) == ["before"]
        with pytest.raises(BrokenChannel):
            await queue.get_many(10)
        assert await queue.get_many(10) == ["after"]


async def test_who_waits_is_told_of_a_loss_that_was_kept_back() -> None:
    async with asyncio.timeout(60), there(10) as (queue, puts):
        sender = await open_far_sender(queue)
        await sender.send("before")
        while queue.qsize() < 1:
            await asyncio.sleep(0)
        sender._link.close()
        taking = [asyncio.create_task(queue.get_many(10)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await taking[0] == ["before"]
        with pytest.raises(BrokenChannel):
            await taking[1]
        await puts.put("after")
        assert await queue.get_many(10) == ["after"]


async def test_the_end_is_told_behind_the_last_item() -> None:
    async with asyncio.timeout(60), there(10) as (queue, _):
        await queue.put_many([1, 2])
        async with RPCQueueDescriptor[Any].from_dict(queue.to_dict(), local=False) as taker:
            assert await take(taker, 2, 10) == [1, 2]
            await queue.aclose()
            with pytest.raises(EndOfChannel):
                await taker.get_many(10)
