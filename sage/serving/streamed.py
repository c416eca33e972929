"""The response to a request for a stream, and what keeps it open while there is nothing to say.

::

    admitted ──▶ nothing for `Limits.keep_alive` seconds ──▶ ": keep-alive" ──▶ ... ──▶ events ──▶ end
                 │
                 └ a first part before that: what fails until then has a status of its own
"""

import asyncio
from types import TracebackType
from typing import Self

from sage.operators.numbers import seconds
from sage.serving.exchange import Exchange, Framing
from sage.serving.meters import RequestMeter

__all__ = ["Streamed"]


class Streamed:
    """Writes a stream: ``async with Streamed(exchange, CHUNKS, meter) as streamed``.

    Its head is sent with the first part. In a stream of events, comments stand where nothing else is to be written for
    long: what stands between server and client closes connections on which nothing moves. One timer serves the whole
    stream. Lines of JSON know no comments.

    Args:
        exchange: the request.
        framing: how the parts are told apart.
        meter: is told where the request stands.
    """

    def __init__(self, exchange: Exchange, framing: Framing, meter: RequestMeter) -> None:
        self._exchange = exchange
        self._framing = framing
        self._meter = meter
        self._seconds = None if framing.comment is None else seconds(exchange.limits.keep_alive)
        self._loop = asyncio.get_running_loop()
        # Who writes has it: several answers, and the comments, go into one stream.
        self._turn = asyncio.Lock()
        self._written = 0.0
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._comment: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    def admitted(self) -> None:
        """The request was let in: from now on silence is kept short. Harmless the second time."""
        self._meter.admitted()
        if self._seconds is not None and self._timer is None:
            self._written = self._loop.time()
            self._timer = self._loop.call_at(self._written + self._seconds, self._look)

    async def write(self, data: bytes) -> None:
        """Write a part.

        Cancel safety: as `Exchange.write`.
        """
        async with self._turn:
            if not self._exchange.started:
                await self._exchange.start_stream(self._framing)
            self._meter.stage = "sending"
            await self._exchange.write(data)
            self._meter.stage = "mid_stream"
            self._written = self._loop.time()

    async def end(self, last: bytes = b"") -> None:
        """Write the last part.

        Cancel safety: as `Exchange.end`.
        """
        async with self._turn:
            if not self._exchange.started:
                await self._exchange.start_stream(self._framing)
            self._ended = True
            await self._exchange.end(last)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()
            await asyncio.wait([self._comment])
            if error is None and not self._comment.cancelled():
                self._comment.result()

    def _look(self) -> None:
        assert self._seconds is not None
        now = self._loop.time()
        due = self._written + self._seconds
        if due <= now:
            due = now + self._seconds
            if not self._turn.locked():  # else something is being written
                self._comment = self._loop.create_task(self._say_nothing(), name="keeps a stream open")
        self._timer = self._loop.call_at(due, self._look)

    async def _say_nothing(self) -> None:
        async with self._turn:
            if self._ended:
                return
            if not self._exchange.started:
                await self._exchange.start_stream(self._framing)
            await self._exchange.write(self._framing.comment or b"")
            self._written = self._loop.time()
