"""Servers that are not there, go away, or are something else; clients that do."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import pytest
import zmq

from sage.transports import ConnectError, InvalidChannel
from sage.transports.codec import Codec
from sage.transports.rpc import (
    ClosedRpc,
    ConnectionLost,
    DeadlineExceeded,
    RpcClient,
    RpcError,
    RpcServer,
    ServerRefused,
    ServerUnreachable,
)
from sage.transports.rpc.wire import (
    ANSWER,
    CALL,
    GOODBYE,
    GRANT,
    HELLO,
    WELCOME,
    pack_message,
    pack_record,
    read_message,
)
from sage.transports.zmq import CurveClient, CurveServer, KeyPair, Socket
from tests.transports.rpc.served import Probe, far_server, open_files, served, until


def free_name() -> str:
    """An address that nobody else has."""
    return f"ipc://@sage-test-{os.urandom(8).hex()}"


class TestTwoProcesses:
    @pytest.mark.parametrize("address", ["ipc://*", "tcp://127.0.0.1:0"])
    async def test_calls_and_streams(self, address: str) -> None:
        async with far_server(address) as (_, real), RpcClient(real) as client:
            assert await asyncio.gather(*(client.call("add", x, 1) for x in range(100))) == list(range(1, 101))
            async with client.stream("numbers", 2000, window=64) as items:
                assert [item async for item in items] == list(range(2000))

    async def test_a_killed_server_fails_every_open_call_and_stream_at_once(self) -> None:
        async with far_server("ipc://*") as (process, address), RpcClient(address) as client:
            calls = [asyncio.create_task(client.call("hang")) for _ in range(100)]
            async with client.stream("forever", window=4) as items:
                assert await anext(items) == 0
                process.kill()
                async with asyncio.timeout(60):
                    results = await asyncio.gather(*calls, return_exceptions=True)
                    with pytest.raises(ConnectionLost):
                        while True:
                            await anext(items)
            assert all(isinstance(result, ConnectionLost) for result in results), results
            assert all(f"'hang' at {address}" in str(result) for result in results)
            assert len({id(result) for result in results}) == 100

    async def test_the_next_server_at_that_address_gets_new_calls_and_no_old_ones(self) -> None:
        address = free_name()
        calls: list[int] = []
        async with far_server(address) as (process, _), RpcClient(address) as client:
            lost = [asyncio.create_task(client.call("hang")) for _ in range(10)]
            await asyncio.sleep(0)
            process.kill()
            await process.wait()  # the address is free then
            results = await asyncio.gather(*lost, return_exceptions=True)
            assert all(isinstance(result, ConnectionLost) for result in results)
            async with RpcServer({"note": calls.append, "hang": lambda: calls.append(-1)}, address):
                await client.call("note", 1)
                assert calls == [1]


class TestClientsThatGoAway:
    async def test_a_lost_call_tells_whether_its_method_may_have_begun(self) -> None:
        probe = Probe()
        async with served(probe.methods()) as (_, client):
            begun = asyncio.create_task(client.call("hang"))
            await until(lambda: probe.started == 1)
            assert client._connection is not None
            # As when libzmq knows that the connection is gone, and the event loop does not yet.
            with (
                patch.object(client._connection._socket, "send", return_value=False),
                pytest.raises(ConnectionLost) as unsent,
            ):
                await client.call("hang")
            with pytest.raises(ConnectionLost) as lost:
                await begun
            assert (unsent.value.begun, lost.value.begun) == (False, True)
        with pytest.raises(ClosedRpc) as closed:
            await client.call("hang")
        assert closed.value.begun is False

    async def test_calls_of_one_that_leaves_are_cancelled(self) -> None:
        probe = Probe()
        async with RpcServer(probe.methods(), "ipc://*") as server:
            async with RpcClient(server.address) as client:
                call = asyncio.create_task(client.call("hang"))
                async with client.stream("count", 10**9, window=2):
                    await until(lambda: probe.started == 2)
                    await client.aclose()
            await until(lambda: (probe.cancelled, probe.closed) == (1, 1))
            await asyncio.gather(call, return_exceptions=True)
            assert server.statistics()[:3] == (0, 0, 0)

    async def test_calls_of_one_that_is_cut_off_are_cancelled(self) -> None:
        probe = Probe()
        async with RpcServer(probe.methods(), "ipc://*", heartbeat=0.05) as server:
            client = Speaker(server.address)
            client.say(HELLO)
            client.call(1, "hang")
            client.call(2, "count", 10**9, window=2)
            await until(lambda: probe.started == 2)
            client.socket.close()  # without a BYE
            await until(lambda: (probe.cancelled, probe.closed) == (1, 1))
            await until(lambda: server.statistics().clients == 0)


class TestServersThatAreNotThere:
    async def test_nobody_there(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
            told = ""
            for seconds in (0.1, 1, 10):  # a machine that stood still meanwhile has not looked yet
                with pytest.raises(ServerUnreachable, match=rf"within {seconds} s \(connection_timeout\): ") as caught:
                    async with RpcClient(address, connection_timeout=seconds):
                        pass
                assert isinstance(caught.value, ConnectError)
                told = str(caught.value)
                if "nobody listens" in told:
                    break
            assert "nobody listens" in told
            assert address in told

    async def test_nobody_there_any_more(self) -> None:
        async with RpcServer({}, "ipc://*") as server, RpcClient(server.address) as client:
            await server.aclose()
            client._connection_timeout = 0.1
            with pytest.raises(ServerUnreachable, match="'x' at ipc"):
                await client.call("x")
            client._connection_timeout = 60
            with pytest.raises(DeadlineExceeded, match="has not answered yet"):
                await client.call("x", timeout=0.01)

    async def test_one_that_comes_a_little_later_is_found(self) -> None:
        address = free_name()
        client = RpcClient(address)
        connecting = asyncio.create_task(client.connect())
        await asyncio.sleep(0.01)
        async with RpcServer({"one": lambda: 1}, address):
            await connecting
            assert await client.call("one") == 1
            await client.aclose()

    async def test_an_address_that_is_taken(self) -> None:
        async with RpcServer({}, "tcp://127.0.0.1:0") as server:
            with pytest.raises(RpcError, match=f"{server.address}: it cannot be bound: Address already in use"):
                await RpcServer({}, server.address).start()


class TestWhoMayCome:
    @pytest.mark.parametrize("make", [lambda address: RpcServer({}, address), RpcClient])
    @pytest.mark.parametrize("address", ["tcp://0.0.0.0:0", "tcp://10.0.0.1:5999", "udp://127.0.0.1:1", "nonsense"])
    def test_addresses_that_need_keys_or_are_none(self, make: Any, address: str) -> None:
        with pytest.raises(InvalidChannel, match=r"keys|is not an address"):
            make(address)

    async def test_with_keys(self) -> None:
        host, known = KeyPair.generate(), KeyPair.generate()
        curve = CurveServer.allowing(host, [known.public])
        async with (
            RpcServer({"one": lambda: 1}, "tcp://127.0.0.1:0", curve=curve) as server,
            RpcClient(server.address, curve=CurveClient(known, host.public)) as client,
        ):
            assert await client.call("one") == 1

    @pytest.mark.parametrize("which", ["unknown key", "no key"])
    async def test_with_other_keys(self, which: str) -> None:
        host = KeyPair.generate()
        curve = CurveServer.allowing(host, [KeyPair.generate().public])
        mine = CurveClient(KeyPair.generate(), host.public) if which == "unknown key" else None
        async with RpcServer({}, "tcp://127.0.0.1:0", curve=curve) as server:
            with pytest.raises(ServerRefused, match=r"key") as caught:
                async with RpcClient(server.address, curve=mine):
                    pass
            assert server.address in str(caught.value)


class Speaker:
    """A client that says what it likes."""

    def __init__(self, address: str) -> None:
        self.heard: list[Any] = []
        self.socket = Socket(zmq.DEALER, self._hear)
        self.socket.connect(address)

    def _hear(self, parts: list[Any]) -> None:
        self.heard += read_message(parts, Codec())

    def say(self, kind: int, id: int = 0, number: int = 0, window: int = 0, value: Any = None) -> None:
        body = b"" if value is None else Codec().encode(value).body
        self.socket.send(pack_message([pack_record(kind, 0, 0, int(value is not None), window, id, number)], body))

    def call(self, id: int, method: str, *args: Any, window: int = 0) -> None:
        self.say(CALL, id, window=window, value=[method, *args])


@asynccontextmanager
async def spoken(methods: dict[str, Any]) -> AsyncIterator[tuple[RpcServer, Speaker]]:
    """A server, somebody who says what they like to it, and at the end a client that is served all the same."""
    async with served(methods) as (server, client):
        speaker = Speaker(server.address)
        yield server, speaker
        speaker.socket.close()
        assert await client.call("one") == 1


class TestGarbage:
    @pytest.mark.parametrize(
        "parts", [[b""], [b"x"], [b"", b"GET / HTTP/1.1"], [b"SAGERPC\x01\xff\xff\xff\xff"], [b"x"] * 99]
    )
    async def test_at_a_server(self, parts: list[bytes]) -> None:
        async with spoken({"one": lambda: 1}) as (server, speaker):
            speaker.socket.send(parts)
            await until(lambda: server.statistics().malformed == 1)
            await until(lambda: [(record.kind, record.number) for record in speaker.heard] == [(GOODBYE, 1)])

    async def test_another_version_is_answered(self) -> None:
        async with spoken({"one": lambda: 1}) as (server, speaker):
            [part] = pack_message([pack_record(HELLO, 0, 0, 0, 0, 0, 0)])
            speaker.socket.send([part[:7] + b"\x02" + part[8:]])
            await until(lambda: [(record.kind, record.number) for record in speaker.heard] == [(GOODBYE, 2)])
            assert server.statistics().clients == 1

    async def test_calls_without_a_hello(self) -> None:
        async with spoken({"one": lambda: 1}) as (server, speaker):
            speaker.call(1, "one")
            await until(lambda: [(record.kind, record.number) for record in speaker.heard] == [(GOODBYE, 1)])
            assert server.statistics().calls == 0

    @pytest.mark.parametrize(
        "wrong",
        [
            pytest.param(lambda s: s.call(1, "hang"), id="a number used twice"),
            pytest.param(lambda s: s.say(GRANT, 1, number=5), id="more granted than was sent"),
            pytest.param(lambda s: s.say(CALL, 2, window=1 << 17, value=["hang"]), id="a window too large"),
            pytest.param(lambda s: s.say(CALL, 2, value="hang"), id="no list"),
            pytest.param(lambda s: s.say(CALL, 2, value=[]), id="no method"),
            pytest.param(lambda s: s.say(CALL, 2, value=[7]), id="a method that is no text"),
            pytest.param(lambda s: s.say(ANSWER, 1, value=7), id="what only servers say"),
        ],
    )
    async def test_whoever_breaks_the_rules_is_dismissed(self, wrong: Any) -> None:
        probe = Probe()
        async with spoken({**probe.methods(), "one": lambda: 1}) as (server, speaker):
            speaker.say(HELLO)
            speaker.call(1, "hang")
            await until(lambda: probe.started == 1)
            wrong(speaker)
            await until(lambda: server.statistics().malformed == 1)
            await until(lambda: probe.cancelled == 1)
            await until(lambda: [record.kind for record in speaker.heard] == [WELCOME, GOODBYE])

    async def test_what_is_said_of_calls_nobody_knows_is_ignored(self) -> None:
        async with spoken({"one": lambda: 1}) as (server, speaker):
            speaker.say(HELLO)
            speaker.say(3, 99)
            speaker.say(GRANT, 99, number=5)
            speaker.call(1, "one")
            await until(lambda: [record.kind for record in speaker.heard] == [WELCOME, ANSWER])
            assert server.statistics().malformed == 0

    @pytest.mark.parametrize("answer", [[b"HTTP/1.1 400"], pack_message([pack_record(ANSWER, 0, 0, 9, 0, 1, 0)])])
    async def test_at_a_client_that_connects(self, answer: list[bytes]) -> None:
        def reply(parts: list[Any]) -> None:
            router.send([parts[0], *answer])

        router = Socket(zmq.ROUTER, reply)
        address = router.bind(free_name())
        with pytest.raises(ServerRefused, match="nobody understands"):
            async with RpcClient(address):
                pass
        router.close()

    async def test_at_a_client_that_waits(self) -> None:
        def reply(parts: list[Any]) -> None:
            [record] = read_message(parts[1:], Codec())
            kind = WELCOME if record.kind == HELLO else 200
            router.send([parts[0], *pack_message([pack_record(kind, 0, 0, 0, 0, record.id, 0)])])

        router = Socket(zmq.ROUTER, reply)
        async with RpcClient(router.bind(free_name())) as client:
            with pytest.raises(ConnectionLost, match="nobody understands"):
                await client.call("x")
        router.close()

    async def test_a_server_of_another_version(self) -> None:
        def reply(parts: list[Any]) -> None:
            [part] = pack_message([])
            router.send([parts[0], part[:7] + b"\x09" + part[8:]])

        router = Socket(zmq.ROUTER, reply)
        with pytest.raises(ServerRefused, match="speaks version 9, this side version 1"):
            async with RpcClient(router.bind(free_name())):
                pass
        router.close()


async def test_nothing_stays_open() -> None:
    probe = Probe()
    async with served(probe.methods()) as (_, client), client.stream("count", 3) as items:
        assert [item async for item in items] == [0, 1, 2]  # what a process opens once is open then
    before = len(await settled_files())
    for _ in range(5):
        async with served(probe.methods()) as (_, client):
            call = asyncio.create_task(client.call("hang"))
            await until(lambda: probe.started > 0)
            async with client.stream("count", 10**9, window=3) as items:
                await anext(items)
        await asyncio.gather(call, return_exceptions=True)
    await until(lambda: len(open_files()) <= before)
    assert len(asyncio.all_tasks()) == 1


async def settled_files() -> set[str]:
    """What is open once libzmq, which closes in a thread of its own, has had the time to close."""
    files = open_files()
    for _ in range(100):
        await asyncio.sleep(0.005)
        if (now := open_files()) == files:
            return files
        files = now
    return files
