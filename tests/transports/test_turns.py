"""What is put and got in one turn of the loop: it is looked at once, and all is as if it were looked at each time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sage.transports import BrokenChannel, ClosedChannel, CodecError, PythonQueueDescriptor, QueueDescriptor, WouldBlock
from sage.transports.codec import Frame, register_type
from sage.transports.remote import RemoteSender
from tests.transports.remote.loopback import LoopbackDescriptor
from tests.transports.remote.world import turns

Queue = QueueDescriptor[Any]


@asynccontextmanager
async def queues(maxsize: int) -> AsyncIterator[tuple[LoopbackDescriptor, LoopbackDescriptor]]:
    """A queue, at its host and as it is used from elsewhere."""
    async with LoopbackDescriptor(maxsize) as host:
        await host.open()
        async with LoopbackDescriptor.from_dict(host.to_dict(), local=False) as far:
            yield host, far


def frames_of(far: LoopbackDescriptor) -> list[Frame]:
    """The frames that leave from now on."""
    frames: list[Frame] = []
    link = sender_of(far)._link
    send = link.send

    def note(frame: Frame) -> None:
        frames.append(frame)
        send(frame)

    link.send = note  # type: ignore[method-assign]
    return frames


def sender_of(far: LoopbackDescriptor) -> RemoteSender[Any]:
    assert isinstance(far._sender, RemoteSender)
    return far._sender


async def all_there(queue: Queue) -> list[Any]:
    await turns(20)
    items = []
    while not queue.empty():
        items.append(await queue.get())
    return items


# -- put -------------------------------------------------------------------------------------------------------------


async def test_what_is_put_in_one_turn_leaves_in_one_frame() -> None:
    async with queues(100) as (host, far):
        await far.put(0)
        frames = frames_of(far)
        for number in range(1, 50):
            await far.put(number)
        assert await all_there(host) == list(range(50))
        assert [frame.items for frame in frames] == [50]


@pytest.mark.parametrize("nbytes", [1, 300, 20_000])
async def test_a_frame_that_is_full_leaves_at_once(nbytes: int) -> None:
    async with queues(2_000) as (host, far):
        await far.put(b"")
        await turns(20)
        frames = frames_of(far)
        limit = sender_of(far)._frame_bytes
        for _ in range(600):
            await far.put(bytes(nbytes))
        assert frames, "the loop has not had control"
        await turns(1)
        assert sum(frame.items for frame in frames) == 600
        assert all(frame.items <= 256 and len(frame.body) < limit + nbytes + 100 for frame in frames)
        assert len(await all_there(host)) == 601


async def test_items_that_grow_do_not_make_frames_that_are_too_large() -> None:
    async with queues(2_000) as (host, far):
        await far.put(b"")
        frames = frames_of(far)
        limit = sender_of(far)._frame_bytes
        for place in range(300):
            await far.put(bytes(1 if place % 3 else place * 100))
        assert len(await all_there(host)) == 301
        assert all(len(frame.body) < limit + 30_000 + 100 for frame in frames)


async def test_no_more_are_put_in_one_turn_than_there_is_room() -> None:
    async with queues(7) as (host, far):
        await far.put(0)
        for number in range(1, 7):
            far.put_nowait(number)
        with pytest.raises(WouldBlock):
            far.put_nowait(7)
        assert await all_there(host) == list(range(7))


async def test_what_was_put_in_this_turn_is_counted() -> None:
    async with queues(100) as (_, far):
        await far.put(0)
        await turns(20)
        sent = sender_of(far).statistics().sent
        for number in range(5):
            await far.put(number)
        assert (far.qsize(), sender_of(far).statistics().sent - sent) == (6, 5)


async def test_an_item_that_cannot_be_carried_takes_no_place() -> None:
    async with queues(4) as (host, far):
        await far.put(0)
        await far.put(1)
        assert sender_of(far).room
        with pytest.raises(CodecError):
            await far.put(object())
        await far.put(2)
        far.put_nowait(3)
        with pytest.raises(WouldBlock):
            far.put_nowait(4)
        assert await all_there(host) == [0, 1, 2, 3]


async def test_a_large_size_finds_the_places_that_others_did_not_use() -> None:
    async with queues(10) as (host, far):
        await far.put(0)
        await far.put(1)
        sender = sender_of(far)
        assert sender.room
        assert sender.try_send("eight", 8)
        assert not sender.try_send(2)
        assert await all_there(host) == [0, 1, "eight"]


async def test_after_the_close_nothing_follows() -> None:
    async with queues(10) as (host, far):
        for number in range(3):
            await far.put(number)
        sender = sender_of(far)
        assert sender.room
        closing = asyncio.create_task(far.aclose())
        await asyncio.sleep(0)
        assert not sender.room
        with pytest.raises(ClosedChannel):
            await far.put(3)
        await closing
        assert await all_there(host) == [0, 1, 2]


class _Talkative:
    """Puts something when it is packed."""


async def test_a_hook_of_the_codec_may_put() -> None:
    async with queues(300) as (host, far):

        def talk(_: _Talkative) -> str:
            far.put_nowait("within")
            return "itself"

        register_type(_Talkative, encode=talk, decode=lambda _: _Talkative(), name="tests.Talkative")
        await far.put("first")  # after which there are places
        for number in range(100):
            await far.put(number if number % 10 else _Talkative())
        items = await all_there(host)
        assert (items[:2], items[3]) == (["first", "within"], 1)
        assert len(items) == 111
        assert sender_of(far)._purse.available == host._place.queue.lender.lent  # type: ignore[union-attr]


# -- get -------------------------------------------------------------------------------------------------------------


async def test_what_is_got_in_one_turn_makes_room_in_it() -> None:
    async with PythonQueueDescriptor[int](3) as queue:
        for number in range(3):
            await queue.put(number)
        for number in range(3, 9):
            assert await queue.get() == number - 3
            queue.put_nowait(number)
            assert queue.full()


@pytest.mark.parametrize("kind", [PythonQueueDescriptor, LoopbackDescriptor])
async def test_who_waits_is_not_overtaken_in_a_turn(kind: type[Queue]) -> None:
    async with kind(10) as queue:
        await queue.open()
        queue.put_nowait(0)
        queue.put_nowait(1)

        async def take_both() -> list[Any]:
            return [await queue.get(), await queue.get()]

        async def put_and_get() -> Any:
            queue.put_nowait(2)
            queue.put_nowait(3)
            return await queue.get()

        # All three run one after the other, before the loop calls anybody else.
        assert await asyncio.gather(take_both(), queue.get(), put_and_get()) == [[0, 1], 2, 3]


async def test_a_loss_is_told_in_its_place_also_within_a_turn() -> None:
    async with queues(10) as (host, far):
        for number in range(3):
            await far.put(number)
        await turns(20)
        assert await host.get() == 0
        far.far_host.connections[-1].cut()
        host.put_nowait(3)
        assert [await host.get(), await host.get()] == [1, 2]
        with pytest.raises(BrokenChannel):
            await host.get()
        assert await host.get() == 3
        with pytest.raises(BrokenChannel):
            await far.aclose()


async def test_a_clone_that_is_closed_gets_nothing_in_the_same_turn() -> None:
    async with PythonQueueDescriptor[int](3) as queue:
        for number in range(3):
            await queue.put(number)
        clone = queue.clone()
        assert [await clone.get(), await clone.get()] == [0, 1]
        await clone.aclose()
        with pytest.raises(ClosedChannel):
            await clone.get()
        assert await queue.get() == 2


async def test_away_from_the_host_too_all_is_got_in_order() -> None:
    async with queues(400) as (host, far):
        for number in range(400):
            host.put_nowait(number)
        assert [await far.get() for _ in range(400)] == list(range(400))
        await turns(20)
        assert host._place.queue.credit.used == 0  # type: ignore[union-attr]


# -- a child ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no children")
async def test_a_forked_child_looks_again() -> None:
    async with queues(10) as (host, far):
        for number in range(3):
            await far.put(number)
        await turns(20)
        await host.get()
        await far.put(3)
        await far.put(4)
        getters = host._place.getters
        assert sender_of(far).room
        assert getters.ready
        child = os.fork()
        if not child:
            os._exit(sender_of(far).room + len(getters.ready))
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
