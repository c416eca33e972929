"""Descriptors of ZeroMQ queues: names, places, and what goes along."""

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from sage.transports import ConnectError, InvalidChannel, UnreachableChannel, resolve_descriptor
from sage.transports.zmq import RPCQueueDescriptor
from sage.transports.zmq.endpoint import Endpoint

Queue = RPCQueueDescriptor[Any]


def test_the_names_of_the_original_are_there() -> None:
    queue = Queue("localhost", 8000, 5.0, 2, False, "q")
    assert queue.queue_type == "rpc"
    assert (queue.host, queue.port, queue.queue_id) == ("localhost", 8000, "q")
    assert {"host": "localhost", "port": 8000, "connection_timeout": 5.0, "retry_count": 2}.items() <= (
        queue.metadata.items()
    )
    assert not queue.is_initialized


def test_a_description_with_host_and_port_is_enough() -> None:
    metadata = {"host": "127.0.0.1", "port": 5999}
    queue = resolve_descriptor({"queue_type": "rpc", "queue_id": "q", "metadata": metadata})
    assert isinstance(queue, RPCQueueDescriptor)
    assert queue.address == "tcp://127.0.0.1:5999"
    assert queue.hosted_elsewhere


async def test_the_port_is_told_once_the_queue_is_hosted() -> None:
    queue = Queue(maxsize=2)
    early = queue.clone()
    assert (queue.port, queue.hosted_elsewhere) == (0, False)
    async with queue, asyncio.timeout(60):
        await early.put("hosts it")
        assert queue.port == early.port > 0
        assert json.loads(queue.to_json())["metadata"]["port"] == queue.port
        assert await queue.get() == "hosts it"
        there = Queue.from_dict(queue.to_dict(), local=False)
        assert there.hosted_elsewhere
        async with there:
            await there.put("over the wire")
        assert await queue.get() == "over the wire"
    again = Queue(port=queue.port, queue_id=queue.queue_id)
    async with again, asyncio.timeout(60):
        await again.open()
        await again.put(1)
        assert await again.get() == 1


async def test_a_place_that_is_taken_is_told(tmp_path: Path) -> None:
    for endpoint in ("tcp://127.0.0.1:0", f"ipc://@sage-taken-{os.getpid()}", f"ipc://{tmp_path}/taken"):
        async with Queue(endpoint=endpoint) as queue:
            await queue.open()
            with pytest.raises(UnreachableChannel, match=r"cannot be hosted here: .*in use"):
                await Queue(endpoint=queue.address).open()


async def test_a_file_that_was_left_behind_is_no_harm(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(path)
    async with Queue(endpoint=f"ipc://{path}") as queue:
        await queue.open()
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as another:
            another.bind(path)
    assert os.listdir(tmp_path) == ["socket"]


@pytest.mark.parametrize(
    "endpoint", ["ipc://*", "ipc://@sage-a-name-{pid}", "ipc://{tmp}/socket", "tcp://127.0.0.1:0", "tcp://[::1]:0"]
)
async def test_places(endpoint: str, tmp_path: Path) -> None:
    async with Queue(endpoint=endpoint.format(tmp=tmp_path, pid=os.getpid())) as queue, asyncio.timeout(60):
        await queue.open()
        assert queue.endpoint.settled
        assert not queue.address.endswith(("*", ":0"))
        async with Queue.from_dict(queue.to_dict(), local=False) as there:
            await there.put(1)
            assert await queue.get() == 1
    assert not os.listdir(tmp_path)


async def test_who_takes_and_who_puts_may_both_be_elsewhere() -> None:
    async with Queue(maxsize=8) as queue, asyncio.timeout(60):
        await queue.open()
        description = queue.to_dict()
        async with (
            Queue.from_dict(description, local=False) as puts,
            Queue.from_dict(description, local=False) as takes,
        ):

            async def put_all() -> None:
                for number in range(100):
                    await puts.put(number)

            putting = asyncio.create_task(put_all())
            assert [await takes.get() for _ in range(100)] == list(range(100))
            await putting


async def test_nobody_there_is_told_in_time() -> None:
    told = ""
    for seconds in (0.1, 1, 10):  # a machine that stood still meanwhile has not looked yet
        with pytest.raises(
            ConnectError, match=rf"tcp://127.0.0.1:9\): no answer .* within {seconds} s, tried 2 times: "
        ) as caught:
            await Queue(port=9, connection_timeout=seconds, retry_count=1).put("lost")
        told = str(caught.value)
        if "nobody listens" in told:
            break
    assert "nobody listens" in told


async def test_a_host_may_come_later() -> None:
    with socket.socket() as kept:  # nobody else gets this port: it is bound, but nobody listens
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        await come_later(kept.getsockname()[1])


async def come_later(port: int) -> None:
    async with asyncio.timeout(60):
        put = asyncio.create_task(Queue(port=port, queue_id="q").put("early"))
        await asyncio.sleep(0)
        async with Queue(port=port, queue_id="q", maxsize=1) as late:
            await late.open()
            assert await late.get() == "early"
            await put


async def test_opening_is_cancelled_without_a_trace() -> None:
    for turns in range(8):
        opening = asyncio.create_task(Queue(port=9).put("x"))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"host": ""}, "host=''"),
        ({"host": 5}, "host=5"),
        ({"host": "tcp://x"}, "is not the name or address of a machine"),
        ({"port": -1}, "port=-1 is not a port"),
        ({"port": 65_536}, "port=65536"),
        ({"port": True}, "port=True"),
        ({"port": "80"}, "port='80'"),
        ({"connection_timeout": 0}, "connection_timeout=0 is not a time"),
        ({"connection_timeout": "x"}, "connection_timeout='x'"),
        ({"lost_after": -1.0}, "lost_after=-1.0"),
        ({"retry_count": -1}, "retry_count=-1"),
        ({"retry_count": 1.5}, "retry_count=1.5"),
        ({"endpoint": "here"}, "give 'ipc://*' for any name"),
        ({"endpoint": "ipc://"}, "is not an address"),
        ({"endpoint": "ipc://@"}, "is not an address"),
        ({"endpoint": "tcp://host"}, "is not an address"),
        ({"endpoint": 3}, "is not an address"),
        ({"maxsize": -1}, "maxsize is -1"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidChannel, match="'orders'") as refused:
        Queue(queue_id="orders", **options)
    assert problem in str(refused.value)


def test_endpoints_are_written_as_they_are_read() -> None:
    for address in ("ipc://*", "ipc://@name", "ipc:///tmp/a", "tcp://127.0.0.1:80", "tcp://[::1]:0", "tcp://host:1"):
        assert str(Endpoint.parse("q", address)) == address


def test_a_clone_with_another_name_has_no_place_yet() -> None:
    assert Queue(port=5999).clone("other").address == "tcp://127.0.0.1:0"
    assert Queue(endpoint="ipc://@name").clone("other").address == "ipc://*"
