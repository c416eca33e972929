"""Memory that is filled where the reader reads it."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy
import pytest

from sage.transports import ClosedChannel
from sage.transports.shm import SageQueueDescriptor
from sage.transports.shm.outlet import LARGE
from sage.transports.shm.pool import Pool
from sage.transports.shm.rooms import Rooms
from sage.transports.shm.segment import Layout, create_segment
from tests.transports.shm.far import far, held_by_this_process, quiet

Queue = SageQueueDescriptor[Any]


@asynccontextmanager
async def hosted(**options: Any) -> AsyncIterator[tuple[Queue, Queue]]:
    """A queue at its host, and as another process knows it."""
    async with asyncio.timeout(60), await Queue(**options).open() as queue, far(queue) as there:
        yield queue, there


async def filled(queue: Queue, value: int, length: int = LARGE) -> Any:
    array = numpy.frombuffer(await queue.room(length), "u1")
    array[:] = value
    return array


async def test_what_is_filled_in_place_is_not_copied() -> None:
    async with hosted() as (queue, there):
        array = await filled(there, 1)
        await there.put({"array": array})
        back = (await queue.get())["array"]
        assert (back == 1).all()
        assert not back.flags.writeable
        array[5] = 2  # against the rules, but it shows that there is one memory
        assert back[5] == 2


async def test_an_array_of_a_room_has_any_type_and_shape() -> None:
    async with hosted() as (queue, there):
        array = numpy.frombuffer(await there.room(LARGE), "<f4").reshape((2, -1), order="F")
        array[:] = 1.5
        await there.put(array)
        back = await queue.get()
        assert back.shape == array.shape
        assert (back == 1.5).all()
        array[0, 0] = 2
        assert back[0, 0] == 2


async def test_the_beginning_of_a_room_is_a_room_and_the_rest_is_copied() -> None:
    async with hosted() as (queue, there):
        array = await filled(there, 1, 4 * LARGE)
        await there.put(array[: 2 * LARGE])
        await there.put(array[LARGE:])
        beginning, rest = await queue.get(), await queue.get()
        array[:] = 2
        assert len(beginning) == 2 * LARGE
        assert (beginning == 2).all()
        assert len(rest) == 3 * LARGE
        assert (rest == 1).all()


async def test_what_is_put_twice_is_copied_the_second_time() -> None:
    async with hosted() as (queue, there):
        array = await filled(there, 1)
        await there.put([array, array])
        await there.put(array)
        [first, second], third = await queue.get(), await queue.get()
        array[:] = 2
        assert [first[0], second[0], third[0]] == [2, 1, 1]
        del first, second, third
        await quiet()
        await there.put(array)  # nobody reads it any more
        back = await queue.get()
        array[:] = 3
        assert back[0] == 3


async def test_what_is_read_only_is_copied() -> None:
    async with hosted() as (queue, there):
        array = await filled(there, 1)
        array.flags.writeable = False
        await there.put(array)
        assert (await queue.get() == 1).all()


async def test_a_room_is_not_given_to_others_while_it_is_looked_at_here() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        kept = await filled(there, 1)
        await there.put(kept)
        assert (await queue.get() == 1).all()
        for value in range(50):
            await there.put(await filled(there, value))
            assert (await queue.get() == value).all()
        assert (kept == 1).all()


async def test_a_room_is_not_given_to_others_while_it_is_read() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        await there.put(await filled(there, 1))
        kept = await queue.get()
        for value in range(50):
            await there.put(await filled(there, value))
            assert (await queue.get() == value).all()
        assert (kept == 1).all()


async def test_rooms_that_are_not_used_are_given_back_from_any_thread() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        for value in range(50):
            array = numpy.frombuffer(await there.room(4 * LARGE), "u1")
            kept = [array]
            del array
            thread = threading.Thread(target=kept.clear)
            thread.start()
            await asyncio.to_thread(thread.join)
            array = await filled(there, value, 8 * LARGE)  # for which there would be no place else
            await there.put(array)
            back = await queue.get()
            array[0] = 77
            assert back[0] == 77
            del array, back
            await quiet()


async def test_who_keeps_rooms_holds_up_nobody() -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        kept = [await filled(there, value) for value in range(60)]  # many times the memory

        async def put_all() -> None:
            for array in kept:
                await there.put(array)
                await there.put(numpy.full(LARGE, 99, "u1"))

        putting = asyncio.create_task(put_all())
        for value in range(60):
            assert (await queue.get() == value).all()
            assert (await queue.get() == 99).all()
        await putting


@pytest.mark.parametrize("nbytes", [1, LARGE - 1, 1 << 21])
async def test_a_room_that_shared_memory_has_no_place_for_is_ordinary_memory(nbytes: int) -> None:
    async with hosted(memory=1 << 20) as (queue, there):
        room = await there.room(nbytes)
        assert room.nbytes == nbytes
        assert not room.readonly
        await there.put(numpy.frombuffer(room[:10], "u1"))
        assert len(await queue.get()) == min(10, nbytes)


async def test_at_the_host_a_room_is_ordinary_memory() -> None:
    async with hosted() as (queue, _):
        array = await filled(queue, 3)
        await queue.put(array)
        assert await queue.get() is array


async def test_a_room_has_bytes_and_a_queue() -> None:
    async with hosted() as (_, there):
        with pytest.raises(ValueError, match="nbytes=0"):
            await there.room(0)
        await there.aclose()
        with pytest.raises(ClosedChannel):
            await there.room(1)


async def test_a_room_outlives_its_queue() -> None:
    before = held_by_this_process()
    async with hosted() as (_, there):
        kept = await filled(there, 3)
    assert (kept == 3).all()
    del kept
    assert held_by_this_process() == before


def test_only_what_was_sent_is_given_back() -> None:
    layout = Layout.of(1 << 20)
    segment, descriptor = create_segment(layout)
    with open(descriptor, "rb"):
        rooms = Rooms(segment, Pool(layout.ring, layout.size))
        room = rooms.lend(LARGE)
        assert room is not None
        with pytest.raises(ValueError, match="it was not sent"):
            rooms.give_back(layout.ring)
        assert rooms.send(bytearray(LARGE)) is None
        assert rooms.send(bytearray()) is None
        assert rooms.send(room) == layout.ring
        rooms.give_back(layout.ring)
        with pytest.raises(ValueError, match="it was not sent"):
            rooms.give_back(layout.ring)
        with pytest.raises(ValueError, match="none is taken there"):
            rooms.give_back(0)
        del room
        gc.collect()
        segment.close()
