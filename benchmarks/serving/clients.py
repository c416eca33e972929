"""HTTP clients that cost next to nothing: bytes over sockets, which look for no more than they must."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.transports.stage import clock

__all__ = ["Answer", "Client", "Clients", "chat_request", "connect"]

_HEAD_ENDS: Final = b"\r\n\r\n"
#: The last chunk of a body, behind the one before it.
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"


def chat_request(content: str, *, stream: bool = True, headers: Mapping[str, str] | None = None) -> bytes:
    """Ask the model ``words``, in the protocol of OpenAI.

    Args:
        content: of the only message.
        stream: whether the answer comes token by token.
        headers: more of them.
    """
    messages = [{"role": "user", "content": content}]
    body = json.dumps({"model": "words", "messages": messages, "stream": stream}).encode()
    told = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    lines = ["POST /v1/chat/completions HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + _HEAD_ENDS + body


@dataclass(frozen=True)
class Answer:
    """What came back.

    Args:
        status: of HTTP.
        ended: when its last byte came.
    """

    status: int
    ended: float


class Client(asyncio.Protocol):
    """One connection, with one request at a time. `connect` makes it."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._took: Callable[[float, bytes], None] = _nothing
        self._done: asyncio.Future[Answer] | None = None
        self._head = b""
        self._status = 0
        # What is left of a body whose length is known; `None` for one in chunks.
        self._left: int | None = None
        self._tail = b""

    async def ask(self, request: bytes, took: Callable[[float, bytes], None] | None = None) -> Answer:
        """Send a request and wait for the end of its answer.

        Args:
            request: its bytes.
            took: called with the time and the bytes that have come, for all that comes behind the head.

        Cancel safety: when cancelled, the connection is closed.

        Raises:
            ConnectionError: it was closed before the answer was whole.
        """
        self._took = took or _nothing
        self._head, self._status, self._left, self._tail = b"", 0, None, b""
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            return await self._done
        except asyncio.CancelledError:
            self.transport.abort()
            raise

    def leave(self) -> None:
        """Close the connection at once, whatever is under way."""
        self.transport.abort()

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        now = clock()
        if not self._status:
            data = self._read_head(data)
            if not self._status:
                return
        if data:
            self._took(now, data)
        if self._left is None:
            self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
            ended = self._tail == _LAST_CHUNK
        else:
            self._left -= len(data)
            ended = self._left <= 0
        if ended and self._done is not None and not self._done.done():
            self._done.set_result(Answer(self._status, now))

    def _read_head(self, data: bytes) -> bytes:
        """Collect the head; give what comes behind it."""
        head, found, body = (self._head + data).partition(_HEAD_ENDS)
        if not found:
            self._head = head
            return b""
        self._status = int(head[9:12])
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                self._left = int(line.partition(b":")[2])
        # Should the body be empty, its last chunk follows the head at once.
        self._tail = _HEAD_ENDS[2:]
        return body


class Clients:
    """As many connections to a server as there are requests under way; those that are free are used again.

    Args:
        port: of the server, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[Client] = []

    async def ask(self, request: bytes, took: Callable[[float, bytes], None] | None = None) -> Answer:
        """As `Client.ask`, on a connection that is free, or a new one.

        Cancel safety: as `Client.ask`.

        Raises:
            OSError: there is no connection, or it was closed too early.
        """
        client = self._free.pop() if self._free else await connect(self._port)
        answer = await client.ask(request, took)
        self._free.append(client)
        return answer

    async def open(self, count: int) -> None:
        """Have so many connections ready.

        Cancel safety: those that are open stay so.

        Raises:
            OSError: there is no connection to be had.
        """
        for _ in range(count):
            self._free.append(await connect(self._port))

    def close(self) -> None:
        """Close all that are free."""
        for client in self._free:
            client.leave()
        self._free.clear()


async def connect(port: int) -> Client:
    """A connection to a server on loopback.

    Cancel safety: nothing is left open.

    Raises:
        OSError: there is none to be had.
    """
    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
    return client


def _nothing(now: float, data: bytes) -> None:
    pass
