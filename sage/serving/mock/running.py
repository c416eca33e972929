"""A synthetic server on a socket of this machine."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sage.errors import GraphError, NotAvailable
from sage.serving.mock.app import MockServer

if TYPE_CHECKING:
    import uvicorn

__all__ = ["serving"]


@contextlib.asynccontextmanager
async def serving(app: MockServer, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve for the length of a block, which gets the address, such as ``http://127.0.0.1:8000``.

    Args:
        app: what answers.
        host: the interface; beyond this machine the server needs an API key.
        port: 0 for any that is free.

    Cancel safety: the server stops with the block; answers under way have a second, then they are cut.

    Raises:
        GraphError: everybody on the network would be let in.
        NotAvailable: uvicorn is not installed.
        OSError: the port is taken, or there is no such interface.
    """
    if app.options.api_key is None and not _is_here(host):
        raise GraphError(f"host={host!r} is reached from other machines: give an API key as well, or write '127.0.0.1'")
    with _listening(host, port) as listener:
        address, taken = listener.getsockname()[:2]
        started, stop = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(_server(app, started, stop).serve([listener]), name="mock server")
        waiting = asyncio.create_task(started.wait(), name="start of the mock server")
        try:
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            if not started.is_set():
                await task  # raises why not
            yield f"http://[{address}]:{taken}" if ":" in address else f"http://{address}:{taken}"
        finally:
            waiting.cancel()
            stop.set()
            await task


def _listening(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((host, port), family=family, backlog=2048)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _server(app: MockServer, started: asyncio.Event, stop: asyncio.Event) -> "uvicorn.Server":
    """A server that tells when it has started, ends when it is told to, and leaves signals to others."""
    try:
        import uvicorn
    except ImportError as error:
        raise NotAvailable(f'a server needs uvicorn: pip install "sage-streams[serve]" ({error})') from None

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

        async def main_loop(self) -> None:
            await stop.wait()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    # Answers that are cut on request would be logged as errors.
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, server_header=False, date_header=False, timeout_graceful_shutdown=1
    )
    return Server(config)
