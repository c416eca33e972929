"""What names a queue in shared memory, and what it says when that cannot be reached."""

import asyncio
import json
import os
import socket
from typing import Any

import pytest

from sage.transports import ConnectError, InvalidChannel, ReceiverClosed, UnreachableChannel
from sage.transports.shm import SageQueueDescriptor
from tests.transports.shm.far import far, held_by_this_process

Queue = SageQueueDescriptor[Any]


async def test_it_is_found_once_it_is_hosted() -> None:
    queue = Queue(7, "orders")
    assert queue.address == "shm://orders"
    assert "socket" not in queue.metadata
    assert not queue.hosted_elsewhere
    early = queue.clone()
    async with await queue.open():
        name = queue.metadata["socket"]
        assert early.address == queue.address == f"shm://{name}"
        there = far(queue)
        assert there.hosted_elsewhere
        assert there.maxsize == 7
        assert json.loads(there.to_json()) == json.loads(queue.to_json())
        assert Queue.from_dict(queue.to_dict()) == queue
        another = queue.clone("others")
        assert another.maxsize == 7
        assert "socket" not in another.metadata


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": 1000}, "memory=1000; give at least 262144 bytes"),
        ({"memory": "much"}, "memory='much'"),
        ({"memory": True}, "memory=True"),
        ({"connection_timeout": 0}, "connection_timeout=0 is not a time; write seconds above 0"),
        ({"connection_timeout": "long"}, "connection_timeout='long'"),
        ({"maxsize": -1}, "maxsize is -1"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidChannel, match=message):
        Queue(queue_id="orders", **options)


@pytest.mark.parametrize("found", [{"socket": "x"}, {"socket": 1, "machine": "m"}, {"machine": "m"}])
def test_a_place_that_cannot_be(found: dict[str, Any]) -> None:
    with pytest.raises(InvalidChannel, match="give socket and machine, both str"):
        Queue.from_metadata("orders", found)


async def test_it_lives_in_one_place() -> None:
    async with await Queue().open() as queue:
        there = far(queue)
        with pytest.raises(UnreachableChannel, match="its host is known, and is not this process"):
            await there.open_receiver()
        await there.aclose()


async def test_nobody_hosts_it_yet() -> None:
    with pytest.raises(UnreachableChannel, match="nobody hosts it yet"):
        await far(Queue()).open_sender()


async def test_a_host_that_has_closed() -> None:
    queue = await Queue().open()
    there = far(queue)
    await there.put("dropped")
    await queue.aclose()
    with pytest.raises(ReceiverClosed):
        await there.put("refused")
    await there.aclose()
    with pytest.raises(ConnectError, match="nobody listens there: its host is gone, or has closed it"):
        await far(queue).get()


async def test_a_host_on_another_machine() -> None:
    there = Queue.from_metadata("orders", {"socket": "sage-nowhere", "machine": "another"})
    with pytest.raises(ConnectError, match=r"on another machine, .* use create_queue\('rpc'\)") as caught:
        await there.put("?")
    assert caught.value.address == "shm://sage-nowhere"


async def test_a_system_without_memory_of_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(UnreachableChannel, match=r"on Linux only: use create_queue\('rpc'\)"):
        await Queue().open()
    with pytest.raises(UnreachableChannel, match=r"on Linux only: use create_queue\('rpc'\)"):
        await Queue.from_metadata("orders", {"socket": "sage-nowhere", "machine": "another"}).put("?")


@pytest.mark.parametrize("use", ["put", "get"])
async def test_an_opening_that_is_cancelled_leaves_nothing(use: str) -> None:
    before = held_by_this_process()
    name = f"sage-test-{os.getpid()}-mute"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("\0" + name)
        listener.listen()
        there = Queue.from_metadata("orders", {"socket": name, "machine": "this"})
        opening = asyncio.create_task(there.open_sender() if use == "put" else there.open_consumer())
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled()
    assert held_by_this_process() == before


async def test_there_is_room_for_a_sender_while_others_come_and_go() -> None:
    before = held_by_this_process()
    async with await Queue(8).open() as queue:
        for number in range(30):
            async with far(queue) as there:
                await there.put(number)
            assert await queue.get() == number
    assert held_by_this_process() == before
