"""Between processes, some of which are killed."""

import asyncio
import multiprocessing
from typing import Any

import pytest

from sage.transports import BrokenChannel
from sage.transports.zmq import RPCQueueDescriptor
from tests.transports.zmq.workers import (
    host_until_killed,
    put_and_leave,
    put_until_killed,
    spawned,
    take_until_killed,
)

Queue = RPCQueueDescriptor[Any]
LOST_AFTER = 0.5


async def test_a_process_that_ends_right_after_closing_loses_nothing() -> None:
    async with Queue(maxsize=64) as queue, asyncio.timeout(60):
        await queue.open()
        with spawned(put_and_leave, queue.to_dict(), 0, 2_000), spawned(put_and_leave, queue.to_dict(), 2_000, 2_000):
            got: list[int] = []
            while len(got) < 4_000:
                got.append(await queue.get())
                assert queue.qsize() <= 64
        assert [number for number in got if number < 2_000] == list(range(2_000))
        assert [number for number in got if number >= 2_000] == list(range(2_000, 4_000))
        assert queue.empty()


async def test_a_sender_that_is_killed_is_named_and_the_next_one_goes_on_where_it_was() -> None:
    queue = Queue(maxsize=64, lost_after=LOST_AFTER)
    receiver = await queue.open_receiver()
    keeper = await queue.open_sender()  # with the last sender, the channel would end
    got: list[int] = []
    async with asyncio.timeout(60):
        for _ in range(2):
            with spawned(put_until_killed, queue.to_dict(), "writer") as process:
                got.append(await receiver.receive())
                process.kill()
                with pytest.raises(BrokenChannel, match=rf"process {process.pid} .* went away: no connection") as lost:
                    while True:
                        got.append(await receiver.receive())
                assert f"process {process.pid}" in lost.value.peer
        assert got == list(range(len(got)))
        await keeper.aclose()
        await receiver.aclose()


async def test_a_consumer_that_is_killed_gives_back_what_it_did_not_release() -> None:
    async with Queue(maxsize=64, lost_after=LOST_AFTER) as queue, asyncio.timeout(60):
        await queue.open()
        with spawned(take_until_killed, queue.to_dict()) as process:
            for number in range(64):
                await queue.put(number)
            await queue.put(64)  # the first one is taken
            process.kill()
            got = [await queue.get()]
            while got[-1] < 64:
                got.append(await queue.get())
        assert got == list(range(got[0], 65))
        assert 0 < got[0] < 64


async def test_a_host_that_is_killed_is_named() -> None:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Queue()
    async with asyncio.timeout(60):
        with spawned(host_until_killed, Queue(maxsize=2, lost_after=LOST_AFTER).to_dict(), ready) as process:
            far = Queue.from_dict(await asyncio.to_thread(ready.get))
            sender, other = await far.open_sender(), await far.open_sender()
            await sender.send("there")
            waiting = asyncio.create_task(other.send("waits", 2))
            await asyncio.sleep(0)
            process.kill()
            with pytest.raises(BrokenChannel, match=rf"the host at {far.address} is lost") as lost:
                await waiting
            assert lost.value.peer == f"the host at {far.address}"
            with pytest.raises(BrokenChannel):
                await sender.aclose()  # who has not been told yet is told
            await other.aclose()
    ready.close()
    ready.join_thread()
