"""The HTTP server under ``sage serve``: how it starts and, above all, how it stops."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import sage
from sage.serving.listening import listen
from sage.serving.uvicorn_server import HttpServer

CHAT = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}


class Running:
    """A server in this process, and what it said."""

    def __init__(self, app: Any, grace: float = 0.01) -> None:
        self.listening = listen("127.0.0.1", 0)
        self.said: list[str] = []
        self.ready = asyncio.Event()
        self.server = HttpServer(app, grace=grace, on_start=self.ready.set, say=self.said.append)

    async def connect(self, request: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.listening.getsockname())
        writer.write(request)
        return reader, writer


@asynccontextmanager
async def running(app: Any, grace: float = 0.01) -> AsyncIterator[tuple[Running, "asyncio.Task[bool]"]]:
    server = Running(app, grace)
    task = asyncio.create_task(server.server.run(server.listening))
    await server.ready.wait()
    try:
        yield server, task
    finally:
        server.server.finish()
        server.server.break_off()
        await task


def post(body: object, *, more: int = 0) -> bytes:
    """A request, of whose body so many bytes do not come."""
    content = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content) + more}\r\n\r\n"
    return head.encode() + content


def endless(**limits: Any) -> Any:
    """A model that says one word, or as much as the request names, and then nothing more."""
    env = sage.Environment("endless")

    async def talk(request: sage.serving.ChatRequest) -> AsyncIterator[str]:
        yield "word" * (request.max_tokens or 1)
        await asyncio.Event().wait()

    env.endpoint("talk").flat_map(talk, concurrency=8).reply()
    return sage.serving.openai_app(env, chat={"m": "talk"}, **limits)


async def test_a_stream_that_is_broken_off_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async with running(endless()) as (server, task):
        reader, writer = await server.connect(post(CHAT))
        await reader.readuntil(b"word")
        server.server.finish()
        told = await reader.read()
        assert b'"code":"draining"' in told
        assert told.endswith(b"\r\n0\r\n\r\n")
        assert await task
        writer.close()
    assert server.said == ["1 request did not end within 0.01 s"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_whoever_is_still_sending_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with running(endless()) as (server, _):
        reader, writer = await server.connect(post(CHAT, more=1))
        while not server.server._server.server_state.tasks:
            await asyncio.sleep(0)
        server.server.finish()
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        writer.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_who_reads_nothing_does_not_hold_it_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sage.serving.uvicorn_server.LAST_WORDS", 1e9)
    limits = sage.serving.Limits(write=1 << 30)
    async with running(endless(limits=limits)) as (server, task):
        reader, writer = await server.connect(post({**CHAT, "max_tokens": 4_000_000}))
        await reader.readuntil(b"HTTP/1.1 200")  # the rest is more than all buffers hold
        server.server.finish()
        assert await task
        writer.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_connections_that_ask_nothing_do_not_hold_it_up() -> None:
    async with running(endless(), grace=60) as (server, task):
        idle, asking = await server.connect(), await server.connect(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        await asking[0].readuntil(b'"ok"}')
        server.server.finish()
        late = await server.connect()  # maybe accepted, after the others were told
        assert await task
        for _, writer in (idle, asking, late):
            writer.close()
    assert server.said == []


def never_started(starting: asyncio.Event, stopped: asyncio.Event) -> Any:
    """An app with a service whose start begins, and does not end by itself."""

    class Model(sage.Service):
        async def start(self) -> None:
            try:
                starting.set()
                await asyncio.Event().wait()
            finally:
                stopped.set()

    env = sage.Environment("slow")
    env.register_service("model", Model)
    env.endpoint("ask").map(str).reply()
    return sage.serving.app(env)


async def test_what_is_told_to_stop_before_it_has_started() -> None:
    starting, stopped = asyncio.Event(), asyncio.Event()
    server = Running(never_started(starting, stopped))
    task = asyncio.create_task(server.server.run(server.listening))
    await starting.wait()
    assert not server.server.started
    server.server.finish()
    assert await task
    assert stopped.is_set()
    assert not server.ready.is_set()


async def test_cancelled_while_it_starts(caplog: pytest.LogCaptureFixture) -> None:
    starting = asyncio.Event()
    server = Running(never_started(starting, asyncio.Event()))
    task = asyncio.create_task(server.server.run(server.listening))
    await starting.wait()
    before = asyncio.all_tasks()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait(before - {task, asyncio.current_task()})
    server.listening.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_told_to_stop_before_it_runs() -> None:
    server = Running(endless())
    server.server.finish()
    assert await server.server.run(server.listening)
    assert not server.ready.is_set()


async def test_hurried_it_stops_the_app_all_the_same() -> None:
    stopped = asyncio.Event()

    class Model(sage.Service):
        async def stop(self) -> None:
            stopped.set()

    env = sage.Environment("held")
    env.register_service("model", Model)

    async def never(value: object) -> object:
        return await asyncio.Event().wait()

    env.endpoint("ask").map(never).reply()
    async with running(sage.serving.app(env), grace=60) as (server, task):
        reader, writer = await server.connect(b"POST /ask HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1")
        while not server.server._server.server_state.tasks:
            await asyncio.sleep(0)
        server.server.finish()
        server.server.break_off()
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        assert await task
        assert stopped.is_set()
        writer.close()


async def test_an_app_that_cannot_start() -> None:
    server = Running(sage.serving.app(sage.Environment("empty")))
    assert not await server.server.run(server.listening)
    assert not server.ready.is_set()
    server.listening.close()
