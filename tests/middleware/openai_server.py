"""A small server that speaks the OpenAI protocol, and misbehaves as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from sage.middleware import ModelServer

__all__ = ["Answer", "Asked", "Server", "chunk", "event", "refusal", "serving", "stream", "words"]


@dataclass
class Asked:
    """A request that has come."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """How a request is answered.

    Attributes:
        pieces: of the body, each sent as a chunk of its own.
        stall: whether the server says nothing more behind them, until the client has gone.
        cut: whether it hangs up behind them, without an end.
    """

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    stall: bool = False
    cut: bool = False
    silent: bool = False


def event(data: object) -> bytes:
    """One event of a stream."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def chunk(text: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    """One chunk of a chat completion."""
    if text is not None:
        delta["content"] = text
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices})


def words(text: str) -> list[bytes]:
    """The chunks of a whole answer: a role, words, a reason, and what it took."""
    usage = {"prompt_tokens": 7, "completion_tokens": len(text.split())}
    return [
        chunk("", role="assistant"),
        *(chunk(word + " ") for word in text.split()),
        chunk(finish="stop"),
        event({"id": "c", "choices": [], "usage": usage}),
        event("[DONE]"),
    ]


def stream(text: str) -> Answer:
    """A whole answer."""
    return Answer(words(text))


def refusal(status: int, message: str = "no", code: str | None = None, **headers: str) -> Answer:
    """An error."""
    body = json.dumps({"error": {"message": message, "type": "x", "param": None, "code": code}}).encode()
    return Answer([body], status, {"content-type": "application/json", **headers})


class Server:
    """What a test knows of the server.

    Attributes:
        url: where it is.
        script: the answers that are left, the next one first; a function makes it from the request.
        asked: the requests that have come.
        alone: set while no client is connected; clients hang up on stalled answers only to give them up.
        connections: how many were opened.
    """

    def __init__(self) -> None:
        self.url = ""
        self.script: list[Answer | Callable[[Asked], Answer]] = []
        self.asked: list[Asked] = []
        self.alone = asyncio.Event()
        self.alone.set()
        self.came = asyncio.Event()
        self.connections = 0
        self._open = 0

    def model(self, name: str = "m", key: str | None = None) -> ModelServer:
        """A model at this server."""
        return ModelServer(self.url, name, key)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        self._open += 1
        self.alone.clear()
        try:
            while (asked := await _request(reader)) is not None:
                self.asked.append(asked)
                self.came.set()
                answer = self.script.pop(0)
                if not await self._answer(answer if isinstance(answer, Answer) else answer(asked), reader, writer):
                    break
        except ConnectionError:
            return  # it has hung up while it was told something
        finally:
            writer.close()
            self._open -= 1
            if not self._open:
                self.alone.set()

    async def _answer(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if not answer.silent:
            headers = {"transfer-encoding": "chunked", **answer.headers}
            head = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
            writer.write((head + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode())
            for piece in answer.pieces:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
        if answer.stall or answer.silent:
            await reader.read(1)
            return False
        if answer.cut:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def serving(*script: Answer | Callable[[Asked], Answer]) -> AsyncIterator[Server]:
    """A server on a free port of loopback that answers as `script` says, one after the other."""
    server = Server()
    server.script = list(script)
    handlers: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.handle(reader, writer))
        handlers.add(task)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await listening.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().split("\r\n")
    headers = _headers(lines)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(first.split()[1], headers, json.loads(body) if body else None)


def _headers(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
