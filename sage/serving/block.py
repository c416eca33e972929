"""An ASGI app on a socket, for the length of a block."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sage.errors import NotAvailable
from sage.serving.installed import needed

if TYPE_CHECKING:
    import uvicorn

__all__ = ["origin_of", "served"]


@asynccontextmanager
async def served(
    app: Any, listening: socket.socket, *, grace: int = 5, log_level: str = "warning"
) -> AsyncIterator[str]:
    """Serve while the block runs; it gets the origin, such as ``"http://127.0.0.1:8000"``.

    Whoever connects before the app has started waits in the socket's queue.

    Args:
        app: what answers.
        listening: where; see `sage.serving.listening.listen`. It is closed with the block.
        grace: seconds that requests may take to finish when the block ends.
        log_level: what the server tells of itself.

    Cancel safety: the server stops with the block.

    Raises:
        NotAvailable: the server is not installed, or the app could not start.
    """
    stop = asyncio.Event()
    server = _server(app, stop, grace, log_level)
    task = asyncio.create_task(_run(server, listening), name="http server")
    block = asyncio.current_task()

    def ended(_: object) -> None:
        if not stop.is_set() and block is not None:
            block.cancel()  # there is nobody to answer any more

    task.add_done_callback(ended)
    try:
        yield origin_of(listening)
    except asyncio.CancelledError:
        if task.done() and not stop.is_set() and block is not None:
            block.uncancel()
            task.result()
        raise
    finally:
        stop.set()
        await asyncio.wait([task])
    task.result()


def origin_of(listening: socket.socket) -> str:
    """The address of a listening socket, as browsers write it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _run(server: "uvicorn.Server", listening: socket.socket) -> None:
    with listening, suppress(SystemExit):  # how it ends when the app cannot start; older ones only return
        await server.serve(sockets=[listening])
    if not server.started:
        raise NotAvailable("the server could not start; why is told above")


def _server(app: Any, stop: asyncio.Event, grace: int, log_level: str) -> "uvicorn.Server":
    needed("uvicorn")
    import uvicorn

    class Server(uvicorn.Server):
        """Ends when it is told to, and leaves signals to others."""

        async def main_loop(self) -> None:
            await stop.wait()

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            app,
            log_level=log_level,
            access_log=False,
            server_header=False,
            date_header=False,
            ws="none",
            timeout_graceful_shutdown=grace,
        )
    )
