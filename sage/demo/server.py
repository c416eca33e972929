"""An ASGI app on a socket of this machine, for the length of a block."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from sage.errors import NotAvailable
from sage.serving import ServingApp

if TYPE_CHECKING:
    import uvicorn

__all__ = ["serving"]

# Seconds that requests may take to finish when the block ends.
_GRACE = 5


@asynccontextmanager
async def serving(app: ServingApp, listening: socket.socket) -> AsyncIterator[str]:
    """Serve while the block runs; it gets the address, such as ``"http://127.0.0.1:8000/v1"``.

    Args:
        app: what answers.
        listening: where; see `sage.serving.listening.listen`.

    Cancel safety: the server stops; requests that are there have five seconds to finish.

    Raises:
        NotAvailable: the server could not start.
    """
    server = _server(app)
    # Whoever connects before the server has started waits in the socket's queue.
    async with asyncio.TaskGroup() as group:
        group.create_task(_run(server, listening))
        try:
            yield "http://{}:{}/v1".format(*listening.getsockname())
        finally:
            server.should_exit = True


async def _run(server: "uvicorn.Server", listening: socket.socket) -> None:
    with suppress(SystemExit):  # how it ends when the app cannot start; older ones only return
        await server.serve(sockets=[listening])
    if not server.started:
        raise NotAvailable("the server could not start; why is told above")


def _server(app: ServingApp) -> "uvicorn.Server":
    """A server that leaves signals to whoever runs it."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(app, log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=_GRACE)
    )
