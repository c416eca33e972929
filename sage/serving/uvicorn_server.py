"""The HTTP server under the command ``sage serve``.

::

    starting ──▶ serving ── finish ──▶ requests end ──▶ the app is stopped
       │                                  │ after `grace` seconds, or break_off
       └ finish: the app is stopped       └ those that are left are told, and cancelled
"""

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from sage.serving.presence import LAST_WORDS, Receive, Scope, Send

__all__ = ["HttpServer"]

#: Seconds between two looks at what is left: uvicorn does not tell when a connection has ended.
_LOOK = 0.05


class HttpServer:
    """Serves an app until it is told to stop.

    Args:
        app: the ASGI app.
        grace: seconds that requests may take to finish.
        on_start: is called when the app has started.
        say: is told what goes wrong, in a line.
    """

    def __init__(self, app: Any, *, grace: float, on_start: Callable[[], None], say: Callable[[str], None]) -> None:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="websockets-sansio",  # the one called "websockets" is going away
        )
        config.load()
        self._app = config.loaded_app = _Cancellable(config.loaded_app)
        self._server = _Server(config, self._app, grace, on_start, say)

    @property
    def started(self) -> bool:
        """Whether the app has started."""
        return self._server.started

    async def run(self, listening: socket.socket) -> bool:
        """Serve; gives whether the app could start, or was told to stop before. If it could not, why was logged.

        Cancel safety: requests are broken off.
        """
        try:
            with suppress(SystemExit):  # uvicorn's way to say that the app could not start
                await self._server.serve(sockets=[listening])
        except asyncio.CancelledError:
            self._app.stop()
            raise
        return self._server.started or self._server.should_exit

    def finish(self) -> None:
        """Take no more requests, finish those that are there, and stop the app; if it has not started yet, at once."""
        self._server.should_exit = True
        if not self._server.started:
            self._app.stop()

    def break_off(self) -> None:
        """Having been told to finish, do not wait for the requests that are there."""
        self._server.force_exit = True


class _Cancellable:
    """An app whose requests, and whose start, may be cancelled: uvicorn tells of that as if something had failed."""

    def __init__(self, app: Any) -> None:
        #: Whether whatever is cancelled from now on is cancelled by the server.
        self.ending = False
        self._app = app
        self._lifespan: asyncio.Task[Any] | None = None

    def stop(self) -> None:
        """Have the app stop, whether it has started or not."""
        self.ending = True
        if self._lifespan is not None:
            self._lifespan.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        try:
            if scope["type"] == "lifespan":
                self._lifespan = asyncio.current_task()
                if self.ending:
                    return
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.ending:
                raise


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it, and stops in an order of its own.

    Uvicorn forgets connections that are accepted while it stops, leaves the app running when it is hurried, and waits
    for what clients that read nothing have not taken.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        app: _Cancellable,
        grace: float,
        on_start: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self._app = app
        self._grace = grace
        self._on_start = on_start
        self._say = say

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_start()
        # What is there now stays: the collector need not walk through it again while requests are served.
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        try:
            async with asyncio.timeout(self._grace):
                await self._finished()
        except TimeoutError:
            left = max(len(self.server_state.tasks), len(self.server_state.connections))
            self._say(f"{left} {'request' if left == 1 else 'requests'} did not end within {self._grace:g} s")
        await self._break_off()
        await self.lifespan.shutdown()

    async def _finished(self) -> None:
        """Wait until nothing is left, or until there is no time to."""
        told = set[Any]()
        while (self.server_state.connections or self.server_state.tasks) and not self.force_exit:
            for connection in self.server_state.connections - told:  # some have been accepted meanwhile
                connection.shutdown()
            told |= self.server_state.connections
            await asyncio.sleep(_LOOK)

    async def _break_off(self) -> None:
        """Cancel the requests that are left; clients that read are told."""
        self._app.ending = True
        for connection in list(self.server_state.connections):
            if _is_stuck(connection):
                connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        self.force_exit = False
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self._finished()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _is_stuck(connection: Any) -> bool:
    """Whether a client does not take what was written, so that it cannot be told anything either."""
    flow = getattr(connection, "flow", None)  # which WebSockets do not have
    return flow is not None and flow.write_paused
