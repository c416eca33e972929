"""Clients that go away, and what can be seen of their requests in a server in the same event loop."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.measure import WrongResult
from benchmarks.serving.clients import Client, chat_request, connect
from benchmarks.serving.engine import Model
from benchmarks.serving.host import App, Message, Receive, Send
from benchmarks.transports.stage import clock

__all__ = ["BUFFER", "Storm", "Visitor", "Watched"]

#: Bytes that the kernel keeps for a client that does not read.
BUFFER: Final = 16_384
#: Seconds after which something that should come to pass has not.
_PATIENCE: Final = 60.0
_METRICS: Final = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nx-request-id: metrics\r\n\r\n"


@dataclass
class Watched:
    """The app, and what can be seen of each request from outside: whether a write waits, and when all has ended."""

    app: App
    writing: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    ended: dict[str, float] = field(default_factory=dict)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = next(value.decode() for key, value in scope["headers"] if key == b"x-request-id")

        async def seen(message: Message) -> None:
            self.writing.add(name)
            try:
                await send(message)
            finally:
                self.writing.discard(name)

        self.inside.add(name)
        try:
            await self.app(scope, receive, seen)
        finally:
            self.inside.discard(name)
            self.ended[name] = clock()


@dataclass
class Visitor:
    """A client, and the id of its request."""

    client: Client
    name: str
    task: "asyncio.Task[object]"
    tokens: int = 0


class Storm:
    """Visitors of one server, in the same event loop.

    Args:
        watched: the server.
        model: the engine behind it.
        port: where it is.
    """

    def __init__(self, watched: Watched, model: Model, port: int) -> None:
        self.watched, self.model, self._port = watched, model, port
        self._number = 0
        self._tasks = 0

    async def settle(self) -> None:
        """Count what is there when nothing is under way.

        Cancel safety: nothing is changed.
        """
        await self.until(lambda: not self.watched.inside, "the server is idle")
        self._tasks = len(asyncio.all_tasks())

    @property
    def left(self) -> int:
        """Tasks, requests, calls of the service, and requests in the engine, beyond what there is when it is idle."""
        engine, tasks = self.model.engine, len(asyncio.all_tasks()) - self._tasks
        inside = len(self.watched.inside) + len(self.model.inside) + engine.running + engine.waiting
        return max(0, tasks) + inside

    async def visit(self, content: str, *, stream: bool = True, reads: bool = True) -> Visitor:
        """Send a request.

        Cancel safety: nothing is left open.

        Args:
            content: how many tokens are wanted.
            stream: whether they come one by one.
            reads: whether what comes is taken, beyond the first of it.
        """
        client = await connect(self._port)
        self._number += 1
        name = f"visitor-{self._number}"
        request = chat_request(content, stream=stream, headers={"x-request-id": name})
        if not reads:
            client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)

        def took(now: float, data: bytes) -> None:
            visitor.tokens += 1
            if not reads:
                client.transport.pause_reading()

        visitor = Visitor(client, name, asyncio.create_task(client.ask(request, took)))
        return visitor

    async def leave(self, visitors: list[Visitor]) -> list[float]:
        """All go away at once; gives after how many milliseconds the places of each were free.

        Cancel safety: they have gone.
        """
        left: dict[str, float] = {}
        for visitor in visitors:
            left[visitor.name] = clock()
            visitor.client.leave()
        names = set(left)
        await self.until(lambda: not names & (self.watched.inside | self.model.inside), "all places are free")
        await asyncio.gather(*(visitor.task for visitor in visitors), return_exceptions=True)
        ends = (self.watched.ended, self.model.ended)
        return [1e3 * (max(ended.get(name, 0.0) for ended in ends) - when) for name, when in left.items()]

    async def open_calls(self) -> int:
        """How many calls have records in the program, as the server tells it.

        Cancel safety: the connection is closed.

        Raises:
            OSError: the server does not answer.
        """
        parts: list[bytes] = []
        client = await connect(self._port)
        await client.ask(_METRICS, lambda _, data: parts.append(data))
        client.leave()
        lines = b"".join(parts).decode().splitlines()
        return next(int(float(line.split()[1])) for line in lines if line.startswith("sage_request_active "))

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something in the server that nobody tells of.

        Cancel safety: nothing is changed.

        Raises:
            WrongResult: it does not come to pass.
        """
        end = clock() + _PATIENCE
        while not holds():
            if clock() > end:
                raise WrongResult(f"waited {_PATIENCE:g} s until {what}")
            await asyncio.sleep(0.001)
