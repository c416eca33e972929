"""An app behind uvicorn with uvloop and httptools, on a free port of loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from benchmarks.event_loops import on_loop
from benchmarks.transports.calls import serve
from benchmarks.transports.worker import Figures, Port

__all__ = ["App", "Message", "Receive", "Send", "host", "hosted"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: As ASGI has it.
App = Callable[[Message, Receive, Send], Awaitable[None]]


class _Server(uvicorn.Server):
    """Tells when it has started, ends when it is told to, and leaves signals to others."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up, self.stop = asyncio.Event(), asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        await self.stop.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def hosted(app: App, *, send_buffer: int | None = None) -> AsyncIterator[int]:
    """Serve for the length of a block, which gets the port.

    Args:
        app: what answers.
        send_buffer: how many bytes the kernel keeps for each connection; `None` for as many as it likes.

    Cancel safety: the server stops with the block.

    Raises:
        RuntimeError: the app did not start; the log tells why.
    """
    config = uvicorn.Config(
        app,
        http="httptools",
        interface="asgi3",
        log_level="error",
        access_log=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listener:
        if send_buffer is not None:  # those that it accepts have it from it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        serving, up = asyncio.create_task(server.serve([listener])), asyncio.create_task(server.up.wait())
        try:
            await asyncio.wait([serving, up], return_when=asyncio.FIRST_COMPLETED)
            if not up.done():
                raise RuntimeError("the app did not start")
            yield listener.getsockname()[1]
        finally:
            up.cancel()
            server.stop.set()
            await serving


def host(port: Port, make_app: Callable[[], App], send_buffer: int | None = None) -> Figures:
    """The far part: serve until the near one is done, and tell the CPU time from when it is warm.

    Args:
        port: to the near part.
        make_app: makes what answers.
        send_buffer: as for `hosted`.
    """

    async def program() -> Figures:
        async with hosted(make_app(), send_buffer=send_buffer) as number:
            port.tell(number)
            return await serve(port)

    return on_loop(program)
