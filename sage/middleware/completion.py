"""One attempt at a chat completion: the request, and the stream of its answer."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from sage.middleware.chunks import part_of
from sage.middleware.connection import Connection, told_error
from sage.middleware.errors import AnswerBroken, ModelTimeout
from sage.middleware.model_server import ModelServer
from sage.middleware.reply import Part
from sage.middleware.sse import ServerEvent, SseReader

if TYPE_CHECKING:
    import httpx2

__all__ = ["completion"]

T = TypeVar("T")
_DONE = "[DONE]"
# Seconds that a server has to end its response when it has said that it is done: then the connection is used again.
_LINGER = 0.05


async def completion(
    connection: Connection, server: ModelServer, body: Mapping[str, Any], first_token: float, gap: float
) -> AsyncGenerator[Part, None]:
    """The parts of an answer; those that say nothing (a role alone) are left out.

    Cancel safety: closing it closes the connection.

    Args:
        connection: to the server.
        server: whom to ask.
        body: of the request.
        first_token: seconds until the first part.
        gap: seconds from one part to the next. The time in which the reader does something else does not count.

    Raises:
        ModelError: as its kind says.
    """
    clock = _Clock(server, first_token, gap)
    reader = SseReader()
    finished = False
    async with AsyncExitStack() as stack:
        asked = stack.enter_async_context(connection.post(server, "/chat/completions", body))
        response = await clock.in_time(asked)
        await _check_is_stream(server, response, clock)
        pieces = await stack.enter_async_context(aclosing(response.aiter_bytes()))
        while (piece := await clock.in_time(anext(pieces, None))) is not None:
            for event in _events(reader, piece, server):
                if event.data == _DONE:
                    await _end(pieces)
                    return
                part = part_of(event, server)
                if part is not None:
                    finished = finished or part.finish_reason is not None
                    yield part
                    clock.restart()
        if not finished:  # many servers leave out the sign that they are done, but not the reason
            raise AnswerBroken("the answer ended in the middle", server=str(server))


class _Clock:
    """How long the next part may take. Comments that keep a connection open are no parts."""

    def __init__(self, server: ModelServer, first_token: float, gap: float) -> None:
        self._server = server
        self._gap = gap
        self._limit = f"first_token={first_token:g}"
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + first_token

    def restart(self) -> None:
        """A part was read, and the next one is wanted from now on."""
        self._limit = f"gap={self._gap:g}"
        self._until = self._loop.time() + self._gap

    async def in_time(self, awaitable: Awaitable[T]) -> T:
        """What is awaited.

        Cancel safety: that of what is awaited.

        Raises:
            ModelTimeout: it takes too long.
        """
        scope = asyncio.timeout_at(self._until)
        try:
            async with scope:
                return await awaitable
        except TimeoutError:
            if not scope.expired():
                raise
            raise ModelTimeout(f"nothing came within {self._limit} s", server=str(self._server)) from None


async def _check_is_stream(server: ModelServer, response: "httpx2.Response", clock: _Clock) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return
    content = await clock.in_time(response.aread())
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and body.get("error"):
        raise told_error(server, body)
    raise AnswerBroken(f"it answered with {kind or 'something'}, not with a stream of events", server=str(server))


def _events(reader: SseReader, piece: bytes, server: ModelServer) -> list[ServerEvent]:
    try:
        return reader.feed(piece)
    except ValueError as error:
        raise AnswerBroken(str(error), server=str(server)) from None


async def _end(pieces: AsyncGenerator[bytes, None]) -> None:
    """Wait a moment for the end of the response; one that does not end is closed."""
    try:
        async with asyncio.timeout(_LINGER):
            while await anext(pieces, None) is not None:
                continue
    except TimeoutError:
        return
