"""A client that goes away stops the work, wherever its request is just then."""

import asyncio
import socket
from collections.abc import Callable

import httpx2
import pytest

from sage.admission import Admission
from sage.serving import Limits
from tests.serving.live import Raw
from tests.serving.models import Served, chat_server, say

CHAT_PATH = "/v1/chat/completions"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for the other side of a socket to have seen something."""
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.001)


async def cancelled(server: Served) -> dict[str, float]:
    """Where clients went away, as the server counted it."""
    async with httpx2.AsyncClient(timeout=60) as http:
        text = (await http.get(f"http://127.0.0.1:{server.port}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("sage_request_cancelled_total{")]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}


async def test_while_it_is_queued() -> None:
    async with chat_server(admission=Admission(1, max_queued=1)) as server:
        door = server.app._front.desk.door
        async with Raw(server.port) as first, Raw(server.port) as second:
            first.post(CHAT_PATH, say("wait", stream=True))
            await server.script.began.wait()
            second.post(CHAT_PATH, say("never", stream=True))
            await until(lambda: door.queued == 1)
            second.close()
            await until(lambda: door.queued == 0)
            assert len(server.program.job.asked) == 1  # there was no work on the second
            server.script.go.set()
            assert (await first.head())[0] == 200
            assert (await first.rest()).endswith(b"data: [DONE]\n\n")
        assert await cancelled(server) == {"queued": 1}
        assert door.open == 0


@pytest.mark.parametrize(("stream", "where"), [(True, "before_first_token"), (False, "not_streaming")])
async def test_before_there_is_anything(stream: bool, where: str) -> None:
    async with chat_server() as server:
        async with Raw(server.port) as client:
            client.post(CHAT_PATH, say("wait", stream=stream))
            await server.script.began.wait()
        await asyncio.wait_for(server.script.stopped.wait(), 60)
        assert server.program.job.open_calls == 0
        assert await cancelled(server) == {where: 1}


async def test_in_the_middle_of_a_stream() -> None:
    async with chat_server() as server:
        async with Raw(server.port) as client:
            client.post(CHAT_PATH, say("one wait", stream=True))
            await client.head()
            assert b'"one "' in await client.chunk()
        await asyncio.wait_for(server.script.stopped.wait(), 60)
        assert server.program.job.open_calls == 0
        assert await cancelled(server) == {"mid_stream": 1}


async def nobody_reads(server: Served, client: Raw) -> int:
    """Ask for an endless answer and read nothing of it; gives how many pieces were made until it was held back."""
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # asyncio would read ahead
    client.post(CHAT_PATH, say("forever", stream=True))
    await server.script.began.wait()
    made, same = 0, 0
    while same < 5:  # of several looks, as the machine may have stood still between two of them
        await asyncio.sleep(0.005)
        now = server.script.made
        made, same = now, same + 1 if now == made else 0
    return made


async def test_blocked_in_send() -> None:
    async with chat_server() as server:
        async with Raw(server.port) as client:
            made = await nobody_reads(server, client)
            assert server.script.running == 1
            assert made * 4096 < 16 << 20
        await asyncio.wait_for(server.script.stopped.wait(), 60)
        assert await cancelled(server) == {"sending": 1}


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    async with chat_server(limits=Limits(stall=0.05)) as server, Raw(server.port) as client:
        await nobody_reads(server, client)
        await asyncio.wait_for(server.script.stopped.wait(), 60)  # though the client is still connected
        assert server.program.job.open_calls == 0
        client.close()


async def test_what_is_ready_goes_into_one_write() -> None:
    async with chat_server(window=1000) as server, Raw(server.port) as client:
        client.post(CHAT_PATH, say("word " * 200, stream=True))
        await client.head()
        writes = []
        while part := await client.chunk():
            writes.append(part)
        assert b"".join(writes).count(b"data: ") == 203
        assert len(writes) < 100, [len(part) for part in writes]


async def test_one_write_is_bounded() -> None:
    async with chat_server(window=1000, limits=Limits(write=4096)) as server, Raw(server.port) as client:
        client.post(CHAT_PATH, say("word " * 200, stream=True))
        await client.head()
        while part := await client.chunk():
            assert len(part) <= 4096


async def test_the_connection_is_used_again() -> None:
    async with chat_server() as server, Raw(server.port) as client:
        for _ in range(3):
            client.post(CHAT_PATH, say("one", stream=True))
            status, headers = await client.head()
            assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
            assert (await client.rest()).endswith(b"data: [DONE]\n\n")


async def test_a_storm_leaves_nothing_behind() -> None:
    async with chat_server(admission=Admission(8, max_queued=100)) as server:
        tasks = len(asyncio.all_tasks())

        async def come_and_go(number: int) -> None:
            async with Raw(server.port) as client:
                client.post(CHAT_PATH, say("one wait", stream=number % 2 == 0))
                if number % 4 == 0:
                    await server.script.began.wait()
                await asyncio.sleep(number % 5 * 0.002)

        await asyncio.gather(*(come_and_go(number) for number in range(60)))
        door = server.app._front.desk.door
        await until(lambda: (door.open, door.queued, server.script.running) == (0, 0, 0))
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        server.script.go.set()
        whole = await server.client.chat.completions.create(**say("still here"))
        assert whole.choices[0].message.content == "still here "
