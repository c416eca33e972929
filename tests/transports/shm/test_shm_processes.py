"""Two processes: what crosses, and what the one learns when the other one is killed."""

import asyncio
import os
import random
import signal
from typing import Any

import pytest

from sage.transports import BrokenChannel, ConnectError
from sage.transports.shm import SageQueueDescriptor
from tests.transports.shm.far import held_by_this_process
from tests.transports.shm.workers import (
    SPAWN,
    host_and_fork,
    host_and_take,
    process,
    send_numbered,
    send_without_end,
    take_without_end,
)

Queue = SageQueueDescriptor[Any]

# Seconds. It takes 2 to 5 ms; the machine may stand still meanwhile.
_NOTICED = 60.0
_KILLS = 10


def check(item: Any, number: int) -> None:
    assert item[0] == number
    if number % 4 == 0:
        assert item[1].nbytes == 70_000
        assert (item[1] == number % 256).all()
    else:
        assert item[1] == b"small" * 20


@pytest.mark.parametrize("memory", [1 << 18, 1 << 26])
async def test_items_cross(memory: int) -> None:
    async with asyncio.timeout(60), await Queue(64, memory=memory).open() as queue:
        with process(send_numbered, queue.to_dict(), 500, context=SPAWN) as sender:
            for number in range(500):
                check(await queue.get(), number)
            await asyncio.to_thread(sender.join)
            assert sender.exitcode == 0
        assert queue.empty()


async def receive_some(queue: Queue, count: int) -> None:
    for number in range(count):
        check(await queue.get(), number)


@pytest.mark.parametrize("seed", range(_KILLS))
async def test_a_sender_is_killed(seed: int) -> None:
    chance = random.Random(seed)
    async with asyncio.timeout(60), await Queue(chance.choice([1, 16, 4096]), memory=1 << 20).open() as queue:
        with process(send_without_end, queue.to_dict()) as sender:
            count = chance.randrange(300)
            await receive_some(queue, count)
            await asyncio.sleep(chance.random() * 0.01)
            pid = sender.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(_NOTICED):
                with pytest.raises(BrokenChannel, match=f"process {pid} "):
                    while True:  # what had arrived comes first, all in order
                        check(await queue.get(), count)
                        count += 1
        await queue.put("the queue goes on")
        assert await queue.get() == "the queue goes on"


@pytest.mark.parametrize("seed", range(_KILLS))
async def test_a_host_is_killed(seed: int) -> None:
    chance = random.Random(seed)
    here, there = SPAWN.Pipe(duplex=False)
    with here, there, process(host_and_take, there, chance.choice([1, 16, 4096])) as host:
        description = await asyncio.to_thread(here.recv)
        queue = Queue.from_dict(description)
        for number in range(chance.randrange(300)):
            await queue.put((number, bytes(100_000 if number % 9 == 0 else 10)))
        await asyncio.sleep(chance.random() * 0.01)
        pid = host.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(_NOTICED):
            with pytest.raises(BrokenChannel, match=f"the host in process {pid} "):
                while True:
                    await queue.put(b"into nowhere")
                    await asyncio.sleep(0)
        await queue.aclose()
        await asyncio.to_thread(host.join)
        with pytest.raises(ConnectError, match="nobody listens there: its host is gone"):
            await Queue.from_dict(description).put("too late")


async def test_a_host_is_killed_whose_child_lives_on() -> None:
    here, there = SPAWN.Pipe(duplex=False)
    with here, there, process(host_and_fork, there) as host:
        queue = Queue.from_dict(await asyncio.to_thread(here.recv))
        await queue.put("one")
        child = await asyncio.to_thread(here.recv)
        try:
            assert host.pid is not None
            os.kill(host.pid, signal.SIGKILL)
            async with asyncio.timeout(_NOTICED):
                with pytest.raises(BrokenChannel, match=f"the host in process {host.pid} "):
                    while True:
                        await queue.put("into nowhere")
        finally:
            os.kill(child, signal.SIGKILL)
        await queue.aclose()


async def test_a_consumer_is_killed() -> None:
    here, there = SPAWN.Pipe(duplex=False)
    async with asyncio.timeout(60), await Queue(128).open() as queue:
        with here, there, process(take_without_end, queue.to_dict(), there) as consumer:
            for number in range(40):
                await queue.put((number,))
            first = [await asyncio.to_thread(here.recv) for _ in range(5)]
            assert consumer.pid is not None
            os.kill(consumer.pid, signal.SIGKILL)
            for number in range(40, 80):
                await queue.put((number,))
            await asyncio.to_thread(consumer.join)
            while here.poll():
                first.append(here.recv())
        rest = [(await queue.get())[0]]
        while not queue.empty():
            rest.append((await queue.get())[0])
        assert rest == sorted(rest)
        # What it had told is gone; what it had taken and not acknowledged comes again.
        assert set(first) | set(rest) == set(range(80))
        assert len(rest) == len(set(rest))


async def test_nothing_is_left_behind() -> None:
    await test_a_sender_is_killed(0)  # the first process that is started opens what stays for the life of this one
    before = held_by_this_process()
    for seed in range(3):
        await test_a_sender_is_killed(seed)
        await test_a_host_is_killed(seed)
    assert held_by_this_process() == before
