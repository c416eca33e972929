"""What goes through the memory: frames of any size, arrays in place, arrays that are kept."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy
import pytest

from sage.transports import BrokenChannel, CodecError
from sage.transports.remote import RemoteSender
from sage.transports.shm import SageQueueDescriptor
from sage.transports.shm.outlet import LARGE
from sage.transports.shm.segment import LEAST_MEMORY
from tests.transports.shm.far import far, held_by_this_process, open_far_consumer, open_far_sender, quiet

Queue = SageQueueDescriptor[Any]


@asynccontextmanager
async def hosted(**options: Any) -> AsyncIterator[tuple[Queue, Queue]]:
    """A queue at its host, and as another process knows it."""
    queue = await Queue(**options).open()
    there = far(queue)
    try:
        async with asyncio.timeout(60):
            yield queue, there
    finally:
        await there.aclose()
        await queue.aclose()


def array(length: int, value: int = 7) -> Any:
    return numpy.full(length, value, dtype="u1")


async def test_an_array_is_read_where_it_lies() -> None:
    async with hosted() as (queue, there):
        await there.put({"vector": array(LARGE)})
        back = (await queue.get())["vector"]
        assert (back == array(LARGE)).all()
        assert not back.flags.owndata
        assert not back.flags.writeable


async def test_an_array_stays_as_it_was_while_others_pass() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        await there.put(array(3 * LARGE, 1))
        kept = await queue.get()
        for value in range(50):
            await there.put(array(3 * LARGE, value))
            assert (await queue.get() == value).all()
        assert (kept == 1).all()


async def test_room_is_given_back_when_the_last_view_is_gone() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        await there.put(array(8 * LARGE, 1))  # more than half of the pool
        row = memoryview((await queue.get()).reshape(8, -1)[3])
        await there.put(array(8 * LARGE, 2))
        other = await queue.get()
        assert other.base is not None
        assert (other == 2).all()
        assert row[0] == 1
        pool = sender_of(there)._link._outlet._pool  # type: ignore[attr-defined]
        assert len(pool._taken) == 1
        del row
        await quiet()
        assert not pool._taken


async def test_room_is_given_back_from_any_thread() -> None:
    async with hosted() as (queue, there):
        await there.put(array(LARGE))
        kept = [await queue.get()]
        pool = sender_of(there)._link._outlet._pool  # type: ignore[attr-defined]
        thread = threading.Thread(target=kept.clear)
        thread.start()
        await asyncio.to_thread(thread.join)
        await quiet()
        assert not pool._taken


async def test_who_keeps_every_array_holds_up_nobody() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        kept = []
        for value in range(60):  # many times the memory
            await there.put(array(2 * LARGE, value))
            kept.append(await queue.get())
        await there.put("and so on")
        assert await queue.get() == "and so on"
        assert all((kept[value] == value).all() for value in range(60))


async def test_arrays_wait_while_the_receiver_has_others_to_take() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        sending = asyncio.create_task(put_all(there, [array(3 * LARGE, value) for value in range(40)]))
        await quiet()
        sender = sender_of(there)
        assert not sending.done()
        assert sender._link.congested
        assert not sender.try_send("refused")
        assert sender.try_send("a mark passes, in its order", 0)
        got = [await queue.get() for _ in range(6)]
        assert [item[0] for item in got if not isinstance(item, str)] == [0, 1, 2, 3, 4]
        del got
        rest = [(await queue.get())[0] for _ in range(35)]
        await sending
        assert rest == list(range(5, 40))


async def put_all(queue: Queue, items: list[Any]) -> None:
    for item in items:
        await queue.put(item)


def sender_of(descriptor: Queue) -> RemoteSender[Any]:
    sender = descriptor._sender
    assert isinstance(sender, RemoteSender)
    return sender


@pytest.mark.parametrize("memory", [LEAST_MEMORY, 1 << 20, 1 << 26])
@pytest.mark.parametrize("size", [1, 1000, LARGE - 1, LARGE, 300_000, 5_000_000])
async def test_an_item_has_any_size(memory: int, size: int) -> None:
    async with hosted(memory=memory) as (queue, there):
        item = {"text": "x" * size, "bytes": b"y" * size, "array": array(size), "rows": [array(size // 3 + 1)] * 3}
        sending = asyncio.create_task(put_all(there, [item, "behind"]))
        back = await queue.get()
        assert back["text"] == item["text"]
        assert back["bytes"] == item["bytes"]
        assert (back["array"] == item["array"]).all()
        assert len(back["rows"]) == 3
        assert await queue.get() == "behind"
        await sending


async def test_many_buffers_in_one_item() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        sending = asyncio.create_task(there.put([array(20_000, value % 256) for value in range(300)]))
        back = await queue.get()
        await sending
        assert [part[0] for part in back] == [value % 256 for value in range(300)]


async def test_what_is_kept_outlives_the_queue() -> None:
    before = held_by_this_process()
    async with hosted() as (queue, there):
        await there.put(array(LARGE, 3))
        kept = await queue.get()
    assert (kept == 3).all()
    assert held_by_this_process()[1] == before[1] + 1  # its memory, and that only
    del kept
    assert held_by_this_process() == before


async def test_what_the_host_put_is_read_in_place_elsewhere() -> None:
    async with hosted() as (queue, there):
        await queue.put({"vector": array(LARGE, 5)})
        back = (await there.get())["vector"]
        assert (back == 5).all()
        assert not back.flags.owndata


async def test_a_consumer_that_keeps_every_array_holds_up_nobody() -> None:
    async with hosted(memory=1 << 20, maxsize=4) as (queue, there):
        sending = asyncio.create_task(put_all(queue, [array(3 * LARGE, value) for value in range(30)]))
        kept = [await there.get() for _ in range(30)]
        await sending
        assert all((kept[value] == value).all() for value in range(30))


async def test_consumers_share_what_there_is() -> None:
    async with hosted() as (queue, there), await open_far_consumer(queue) as other:
        got: list[int] = []
        everything = asyncio.Event()

        async def take(receive: Callable[[], Awaitable[int]]) -> None:
            while True:
                got.append(await receive())
                if len(got) == 200:
                    everything.set()

        taking = [asyncio.create_task(take(receive)) for receive in (there.get, other.receive)]
        await put_all(queue, list(range(200)))
        await everything.wait()
        for task in taking:
            task.cancel()
        await asyncio.wait(taking)
        assert sorted(got) == list(range(200))


async def test_an_item_that_cannot_be_read_here_ends_its_sender_only(caplog: pytest.LogCaptureFixture) -> None:
    async with hosted() as (queue, _), await open_far_sender(queue) as good:
        sender = await far(queue).open_sender()
        sender._link.send(sender._writer.take()._replace(items=1, records=1, body=b"\xc1"))  # type: ignore[attr-defined]
        with pytest.raises(BrokenChannel, match="cannot decode") as caught:
            await queue.get()
        assert f"process {caught.value.peer.rsplit(maxsplit=1)[-1]}" in str(caught.value)
        with pytest.raises(BrokenChannel, match="cannot decode"):
            await sender.send("refused")
        await sender.aclose()
        await good.send("goes on")
        assert await queue.get() == "goes on"


async def test_an_item_that_cannot_be_carried_was_not_put() -> None:
    async with hosted() as (queue, there):
        with pytest.raises(CodecError, match="object"):
            await there.put(object())
        await there.put("goes on")
        assert await queue.get() == "goes on"


async def test_pickles_are_carried_on_request() -> None:
    async with hosted(allow_pickle=True) as (queue, there):
        await there.put(ValueError("carried"))
        assert (await queue.get()).args == ("carried",)
