"""The HTTP server under the command ``sage serve``."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

__all__ = ["serve_until_signal"]


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it: its own way ends the process by them, as if something had gone wrong."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()
        # What is there now stays: the collector need not walk through it again while requests are served.
        gc.collect()
        gc.freeze()


async def serve_until_signal(
    app: Any, listening: socket.socket, *, grace: int, on_start: Callable[[], None], say: Callable[[str], None]
) -> None:
    """Serve until SIGINT or SIGTERM: then requests that are there are finished. A second SIGINT breaks them off.

    Args:
        app: the ASGI app.
        listening: where.
        grace: seconds that requests may take to finish.
        on_start: is called when the app has started.
        say: is told what happens, in a line.

    Cancel safety: requests are broken off.

    Raises:
        SystemExit: the app could not start; why was logged.
    """
    server = _Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="websockets-sansio",  # the one called "websockets" is going away
            timeout_graceful_shutdown=grace,
        ),
        on_start,
    )

    def stop(number: int) -> None:
        say("breaking off" if server.should_exit else "finishing what is there; press Ctrl-C again to break off")
        server.handle_exit(number, None)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await server.serve(sockets=[listening])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
