"""Who is let in, and whose code is run."""

import asyncio
import os
import re
import socket as unix
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zmq

from sage.transports import AccessDenied, BrokenChannel, CodecError, InvalidChannel
from sage.transports.zmq import KeyPair, RPCQueueDescriptor
from sage.transports.zmq.monitor import Event, EventKind, Monitor
from sage.transports.zmq.process import zmq_context

Queue = RPCQueueDescriptor[Any]
HOST, WORKER, STRANGER = (KeyPair.generate() for _ in range(3))


class Odd:
    """A class of which the codec knows nothing."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)

    __hash__ = None  # type: ignore[assignment]


def guarded(**options: Any) -> Queue:
    return Queue(keys=HOST, clients=[WORKER.public], connection_timeout=60, retry_count=0, **options)


def far(queue: Queue, keys: KeyPair | None, **changes: Any) -> Queue:
    description = queue.to_dict()
    description["metadata"].update(changes)
    descriptor = Queue.from_dict(description, local=False)
    descriptor.keys = keys
    return descriptor


@pytest.mark.parametrize("options", [{}, {"endpoint": "ipc://*"}, {"allow_pickle": True}])
async def test_who_has_the_right_keys_is_let_in(options: Mapping[str, Any]) -> None:
    async with guarded(**options) as queue, asyncio.timeout(60):
        await queue.open()
        assert HOST.secret not in queue.to_json()
        async with far(queue, WORKER) as worker:
            await worker.put("from afar")
            assert await queue.get() == "from afar"
            await queue.put("from here")
            assert await worker.get() == "from here"


async def test_any_key_is_let_in_only_when_told_so() -> None:
    async with Queue(keys=HOST, clients="any") as queue, asyncio.timeout(60):
        await queue.open()
        async with far(queue, STRANGER) as worker:
            await worker.put("hello")
            assert await queue.get() == "hello"


async def test_two_hosts_in_one_process_let_in_their_own() -> None:
    async with guarded() as one, Queue(keys=STRANGER, clients=[HOST.public]) as other, asyncio.timeout(60):
        await one.open()
        await other.open()
        async with far(one, WORKER) as of_one, far(other, HOST) as of_other:
            await of_one.put(1)
            await of_other.put(2)
            assert (await one.get(), await other.get()) == (1, 2)
        with pytest.raises(AccessDenied):
            await far(other, WORKER, connection_timeout=60).put("refused")


@pytest.mark.parametrize(
    ("keys", "changes", "reason"),
    [
        (STRANGER, {}, "the key was not let in"),
        (WORKER, {"server_key": STRANGER.public}, "is server_key the host's public key"),
        (None, {"server_key": None}, "one side uses CURVE keys and the other does not"),
    ],
    ids=["wrong", "wrong host", "none"],
)
async def test_who_has_not_is_told_so_at_once(keys: KeyPair | None, changes: Mapping[str, Any], reason: str) -> None:
    async with guarded() as queue, asyncio.timeout(60):
        await queue.open()
        with pytest.raises(AccessDenied, match=rf"'{queue.name}' \(tcp://127.0.0.1:{queue.port}\).*{reason}"):
            await far(queue, keys, **changes).put("refused")
        assert queue.empty()


async def test_keys_where_none_are_expected_are_refused() -> None:
    async with Queue() as queue, asyncio.timeout(60):
        await queue.open()
        with pytest.raises(AccessDenied, match="one side uses CURVE keys"):
            await far(queue, WORKER, server_key=HOST.public).put("refused")


async def test_a_process_without_keys_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SAGE_CURVE_KEYS", raising=False)
    async with guarded() as queue, asyncio.timeout(60):
        await queue.open()
        with pytest.raises(AccessDenied, match=r"set keys= .*SAGE_CURVE_KEYS"):
            await far(queue, None).put("refused")
        WORKER.save(tmp_path / "worker")
        monkeypatch.setenv("SAGE_CURVE_KEYS", str(tmp_path / "worker"))
        async with far(queue, None) as worker:
            await worker.put("let in")
            assert await queue.get() == "let in"


async def test_clones_at_the_host_keep_the_keys() -> None:
    queue = guarded()
    async with queue.clone("another") as clone, asyncio.timeout(60):
        await clone.open()
        assert clone.server_key == HOST.public
        async with far(clone, WORKER) as worker:
            await worker.put(1)
            assert await clone.clone().get() == 1


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"host": "10.0.0.5"}, "needs keys: at the host, keys=KeyPair.generate(), clients="),
        ({"host": "example.org", "port": 5999}, "needs keys"),
        ({"host": "::"}, "needs keys"),
        ({"bind": "0.0.0.0"}, "bind='0.0.0.0' needs keys= and clients="),
        ({"keys": HOST}, "adds clients="),
        ({"clients": [WORKER.public]}, "add keys=KeyPair.load"),
        ({"keys": HOST, "clients": ["no key"]}, "'no key' among the clients is not a CURVE key"),
        ({"server_key": "no key"}, "server_key is not a CURVE key"),
        ({"allow_pickle": True}, "use endpoint='ipc://*'"),
        ({"allow_pickle": True, "keys": HOST, "clients": "any"}, "give keys= and clients="),
    ],
)
def test_what_would_let_anybody_in_is_refused(options: Mapping[str, Any], remedy: str) -> None:
    with pytest.raises(InvalidChannel, match=re.escape(remedy)):
        Queue(queue_id="orders", **options)


def test_what_is_beyond_the_machine_is_described_with_keys() -> None:
    Queue("10.0.0.5", keys=HOST, clients=[WORKER.public])
    elsewhere = Queue("10.0.0.5", 5999, keys=WORKER, server_key=HOST.public)
    assert elsewhere.metadata["server_key"] == HOST.public
    assert Queue.from_dict(elsewhere.to_dict()) == elsewhere


async def test_pickles_pass_between_processes_of_one_user_only_when_asked() -> None:
    async with Queue(endpoint="ipc://*", allow_pickle=True) as queue, asyncio.timeout(60):
        await queue.open()
        async with far(queue, None) as worker:
            await worker.put(Odd())
            assert await queue.get() == Odd()
    async with Queue(endpoint="ipc://*") as queue, asyncio.timeout(60):
        await queue.open()
        async with far(queue, None) as worker:
            with pytest.raises(CodecError):
                await worker.put(Odd())


async def test_a_pickle_is_not_read_by_a_host_that_did_not_ask_for_it() -> None:
    async with Queue(endpoint="ipc://*") as queue, asyncio.timeout(60):
        await queue.open()
        worker = far(queue, None, allow_pickle=True)
        await worker.put(Odd())
        with pytest.raises(BrokenChannel, match=r"went away: what it sent cannot be accepted: .* pickles are refused"):
            await queue.get()
        with pytest.raises(BrokenChannel, match=r"refused: what was sent cannot be accepted: .* pickles are refused"):
            await worker.aclose()


async def test_a_host_of_another_user_is_not_talked_with(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Queue(endpoint="ipc://*") as queue, asyncio.timeout(60):
        await queue.open()
        monkeypatch.setattr("sage.transports.zmq.monitor._user_behind", lambda fd: os.geteuid() + 1)
        with pytest.raises(AccessDenied, match="another user of this machine listens there"):
            await far(queue, None).put("secret")
        assert queue.empty()


async def test_a_listener_that_has_gone_before_it_was_looked_at_is_no_stranger() -> None:
    with zmq_context().socket(zmq.DEALER) as socket:
        told: list[Event] = []
        monitor = Monitor(socket, told.append, same_user=True)
        ours, theirs = unix.socketpair()
        with ours, theirs:
            assert monitor._understand(zmq.EVENT_CONNECTED, ours.fileno()) is None
            gone = ours.detach()
            os.close(gone)
            assert monitor._understand(zmq.EVENT_CONNECTED, gone) is None
        no_sockets = os.pipe()
        denied = monitor._understand(zmq.EVENT_CONNECTED, no_sockets[0])
        for end in no_sockets:
            os.close(end)
        assert denied is not None
        assert denied.kind is EventKind.DENIED
        monitor.close()
        assert told == []


def test_keys_are_kept_in_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    WORKER.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyPair.load(path) == WORKER
    assert WORKER.secret not in repr(WORKER)
    with pytest.raises(FileExistsError):
        HOST.save(path)
    path.chmod(0o640)
    with pytest.raises(InvalidChannel, match="others may read these keys; chmod 600"):
        KeyPair.load(path)
    with pytest.raises(InvalidChannel, match="cannot be read"):
        KeyPair.load(tmp_path / "nowhere")


def test_keys_of_the_zeromq_tools_are_read(tmp_path: Path) -> None:
    import zmq.auth

    _, secret = zmq.auth.create_certificates(tmp_path, "worker")
    Path(secret).chmod(0o600)
    public_key, secret_key = zmq.auth.load_certificate(secret)
    assert secret_key is not None
    assert KeyPair.load(secret) == KeyPair(public_key.decode(), secret_key.decode())


def test_keys_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(InvalidChannel, match="does not belong to the secret one"):
        KeyPair(HOST.public, WORKER.secret)
