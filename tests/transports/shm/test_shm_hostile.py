"""Who speaks nonsense, or has no business here, is put out; nobody else notices, and nothing stays open."""

import array
import asyncio
import gc
import os
import random
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import msgpack
import pytest

from sage.transports import AccessDenied, BrokenChannel, ConnectError
from sage.transports.shm import SageQueueDescriptor, connecting, host as host_module
from sage.transports.shm.address import Peer, peer_of
from sage.transports.shm.messages import FRAME, FREED, GIVE_BACK, PIECE, UNWANTED, WANT, Hello, packed
from sage.transports.shm.segment import Layout, create_segment
from tests.transports.shm.far import far, held_by_this_process, quiet

Queue = SageQueueDescriptor[Any]

_LAYOUT = Layout.of(1 << 20)


@pytest.fixture
async def queue() -> AsyncIterator[Queue]:
    """A queue that is as good after the test as before, and whose host has closed everything."""
    gc.collect()
    before = held_by_this_process()
    async with asyncio.timeout(60), await Queue(16, "orders").open() as it:
        yield it
        there = far(it)
        await there.put("fine")
        assert await it.get() == "fine"
        await there.aclose()
    gc.collect()
    assert held_by_this_process() == before


class Stranger:
    """A client that says what it likes."""

    def __init__(self, queue: Queue) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.connect(b"\0" + queue.metadata["socket"].encode())
        self.loop = asyncio.get_running_loop()

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, content: bytes, *descriptors: int) -> None:
        rights = array.array("i", descriptors)
        self.socket.sendmsg([content], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else [])

    def greet(self, role: str = "sender", layout: Layout = _LAYOUT) -> None:
        """Come in as others do."""
        if role == "sender":
            _, memory = create_segment(layout)
            self.say(Hello(role, "orders", None, layout).packed(), memory)
            os.close(memory)
        else:
            self.say(Hello(role, "orders", None, Layout(0, 0)).packed())

    async def heard(self) -> list[Any]:
        """All that the host says until it closes the connection."""
        unpacker = msgpack.Unpacker()
        try:
            while content := await self.loop.sock_recv(self.socket, 1 << 16):
                unpacker.feed(content)
        except ConnectionResetError:  # it has not read all that it was told
            pass
        return list(unpacker)


def hello(*changes: tuple[int, Any]) -> bytes:
    fields: list[Any] = ["sage-shm", 1, "consumer", "orders", None, 0, 0]
    for index, value in changes:
        fields[index] = value
    return cast(bytes, packed(fields))


@pytest.mark.parametrize(
    ("greeting", "answer"),
    [
        (b"\xc1", "it sent bytes that are no message"),
        (b"GET / HTTP/1.1\r\n\r\n", "it does not speak this protocol"),
        (b"\xdd\xff\xff\xff\xff", "it sent bytes that are no message"),
        (hello((0, "sage-zmq")), "it does not speak this protocol"),
        (hello((1, 2)), "it speaks version 2 of the protocol, and this is version 1"),
        (hello((2, "host")), "it does not say what it wants"),
        (hello((3, "others")), "this is queue 'orders', not 'others'"),
        (hello((3, 5)), "it does not say what it wants"),
        (hello((2, "sender")), "it passed 0 file descriptors, not 1"),
    ],
)
async def test_a_greeting_that_is_none_is_refused(queue: Queue, greeting: bytes, answer: str) -> None:
    with Stranger(queue) as stranger:
        stranger.say(greeting)
        [[kind, reason]] = await stranger.heard()
        assert kind == 0
        assert answer in reason


async def test_who_leaves_without_a_word_is_forgotten(queue: Queue) -> None:
    with Stranger(queue):
        await quiet()
    with Stranger(queue) as stranger:
        stranger.say(hello()[:5])
        await quiet()


async def test_who_says_nothing_is_put_out(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "_GREETING_PATIENCE", 0.01)
    with Stranger(queue) as stranger:
        assert await stranger.heard() == [[0, "it said nothing for 0.01 s"]]


async def test_memory_that_is_not_sealed_is_refused(queue: Queue) -> None:
    memory = os.memfd_create("test")
    os.ftruncate(memory, _LAYOUT.size)
    with Stranger(queue) as stranger:
        stranger.say(Hello("sender", "orders", None, _LAYOUT).packed(), memory)
        os.close(memory)
        [[_, reason]] = await stranger.heard()
        assert reason == "its memory is not sealed against a change of size"


@pytest.mark.parametrize(
    ("layout", "answer"),
    [
        (Layout(_LAYOUT.ring, 2 * _LAYOUT.size), f"its memory has {_LAYOUT.size} bytes, not {2 * _LAYOUT.size}"),
        (Layout(2 * _LAYOUT.size, _LAYOUT.size), "cannot have a ring of"),
        (Layout(0, _LAYOUT.size), "cannot have a ring of 0"),
        (Layout(-4096, _LAYOUT.size), "cannot have a ring of -4096"),
    ],
)
async def test_memory_of_another_size_is_refused(queue: Queue, layout: Layout, answer: str) -> None:
    _, memory = create_segment(_LAYOUT)
    with Stranger(queue) as stranger:
        stranger.say(Hello("sender", "orders", None, layout).packed(), memory)
        os.close(memory)
        [[_, reason]] = await stranger.heard()
        assert answer in reason


async def test_what_is_no_memory_is_refused(queue: Queue) -> None:
    with Stranger(queue) as stranger:
        stranger.say(Hello("sender", "orders", None, _LAYOUT).packed(), stranger.socket.fileno())
        [[_, reason]] = await stranger.heard()
        assert "bytes, not" in reason


async def test_more_files_than_one_are_refused_and_closed(queue: Queue) -> None:
    with Stranger(queue) as stranger:
        stranger.say(Hello("sender", "orders", None, _LAYOUT).packed(), *([stranger.socket.fileno()] * 5))
        [[_, reason]] = await stranger.heard()
        assert "file descriptors, not 1" in reason


_RING, _SIZE = _LAYOUT
_BAD_MESSAGES: list[tuple[Any, str]] = [
    (17, "no message"),
    ([], "no message"),
    ({}, "no message"),
    (["frame"], "other things than numbers"),
    ([FRAME, -1, 0, 8], "other things than numbers"),
    ([FRAME, True, 0, 8], "other things than numbers"),
    ([FRAME, 1, [0], 8], "other things than numbers"),
    ([99], "kind 99"),
    ([WANT, 1], "kind 4 with 1 numbers"),
    ([FRAME, 1], "kind 1 with 1 numbers"),
    ([FRAME, 1, 0], "kind 1 with 2 numbers"),
    ([FRAME, 1, 0, 0], "0 bytes at 0"),
    ([FRAME, 1, _RING - 1, 2], f"2 bytes at {_RING - 1}"),
    ([FRAME, 1, _SIZE - 1, 2], f"2 bytes at {_SIZE - 1}"),
    ([FRAME, 1, _SIZE, 8], "pieces that did not come"),
    ([FRAME, 1, 2**63, 8], "pieces that did not come"),
    ([FRAME, 1, 0, 8], "cannot decode"),
    ([PIECE, 0, 8, 2**62], "the limit is"),
    ([PIECE, _RING, 8, 0], "8 bytes at"),
    ([WANT, 0, 0], "asks for 0 places"),
    ([GIVE_BACK, 5], "gives back 5 places of 0"),
    ([FREED, 1], "a sender does not send messages of kind 3"),
]


@pytest.mark.parametrize(("message", "answer"), _BAD_MESSAGES)
async def test_a_message_that_cannot_be_ends_the_connection(queue: Queue, message: Any, answer: str) -> None:
    with Stranger(queue) as stranger:
        stranger.greet()
        stranger.say(packed(message))
        *_, [kind, reason] = await stranger.heard()
        assert kind == 0
        assert answer in reason
    with pytest.raises(BrokenChannel, match=f"process {os.getpid()} went away"):
        await queue.get()


async def test_pieces_must_fit_together(queue: Queue) -> None:
    with Stranger(queue) as stranger:
        stranger.greet()
        stranger.say(packed([PIECE, 0, 8, 100]) + packed([PIECE, 8, 8, 100]))
        *_, [_, reason] = await stranger.heard()
        assert reason == "it sends pieces that do not fit together"
    with pytest.raises(BrokenChannel):
        await queue.get()


async def test_a_message_without_end_is_not_kept(queue: Queue) -> None:
    with Stranger(queue) as stranger:
        stranger.greet()
        with pytest.raises(ConnectionError):
            await stranger.loop.sock_sendall(stranger.socket, b"\xdb\x7f\xff\xff\xff" + bytes(1 << 23))
    with pytest.raises(BrokenChannel, match="bytes that are no message"):
        await queue.get()


@pytest.mark.parametrize("role", ["sender", "consumer"])
@pytest.mark.parametrize("seed", range(10))
async def test_random_bytes_harm_nobody(queue: Queue, role: str, seed: int) -> None:
    chance = random.Random(seed)
    with Stranger(queue) as stranger:
        stranger.greet(role)
        stranger.say(chance.randbytes(chance.randrange(1, 4096)))
        await quiet()
    if role == "sender":
        with pytest.raises(BrokenChannel):
            await queue.get()


async def test_a_process_of_another_user_is_not_let_in(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "peer_of", lambda sock: Peer(peer_of(sock).pid, os.geteuid() + 1))
    with Stranger(queue) as stranger:
        assert await stranger.heard() == []
    monkeypatch.undo()


async def test_a_host_of_another_user_is_not_spoken_to(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "peer_of", lambda sock: Peer(4711, os.geteuid() + 1))
    with pytest.raises(AccessDenied, match="process 4711, which listens there, runs under user"):
        await far(queue).put("secret")


@pytest.mark.parametrize("role", ["sender", "consumer"])
async def test_a_host_that_speaks_nonsense_is_refused(role: str) -> None:
    """Somebody else may have taken the address."""
    name = f"sage-test-{os.getpid()}-{role}"
    before = held_by_this_process()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(packed(["sage-shm", 7]))
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(answer, "\0" + name):
        from_elsewhere = {"socket": name, "machine": "another"}
        queue = Queue.from_metadata("orders", from_elsewhere)
        with pytest.raises(ConnectError, match="speaks version 7"):
            await (queue.put("?") if role == "sender" else queue.get())
    gc.collect()
    await quiet()
    assert held_by_this_process() == before


async def test_a_sender_that_takes_no_note_does_not_keep_its_host_from_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "_CLOSING_PATIENCE", 0.001)
    queue = await Queue(16, "orders").open()
    with Stranger(queue) as stranger:
        stranger.greet()
        await quiet()
        async with asyncio.timeout(60):
            await queue.aclose()
        assert (await stranger.heard())[-1] == [UNWANTED]


async def test_a_host_that_does_not_answer_is_given_up(queue: Queue) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    name = f"sage-test-{os.getpid()}-mute"
    with listener:
        listener.bind("\0" + name)
        listener.listen()
        metadata = {"socket": name, "machine": "this", "connection_timeout": 0.01}
        with pytest.raises(ConnectError, match=r"did not answer within 0.01 s"):
            await Queue.from_metadata("orders", metadata).put("?")


async def test_a_later_sender_of_the_same_identity_puts_the_earlier_out(queue: Queue) -> None:
    first = await far(queue).open_sender(sender_id="source-3")
    await first.send("one")
    await first.send("two")
    await quiet()
    second = await far(queue).open_sender(sender_id="source-3")
    assert second.received == 2  # type: ignore[attr-defined]
    await quiet()
    with pytest.raises(BrokenChannel, match="identity"):
        await first.send("too late")
    await second.send("three")
    await second.aclose()
    await first.aclose()
    assert [await queue.get() for _ in range(3)] == ["one", "two", "three"]
