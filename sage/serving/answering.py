"""From the answers of a job to the response: piece by piece, or whole.

What is ready goes into one write; nobody waits for more to come, and no timer is involved::

    answer ──▶ first record, and all that arrived with it ──▶ events, joined ──▶ one write ──▶ again
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sage.kernel import Answer
from sage.serving.choice import Choice, Piece
from sage.serving.exchange import CHUNKS, Exchange
from sage.serving.meters import RequestMeter
from sage.serving.shapes import Shape, usage_of
from sage.serving.streamed import Streamed

__all__ = ["Asked", "collect", "stream"]


@dataclass(frozen=True)
class Asked:
    """One answer that was asked for.

    Attributes:
        answer: of the job.
        choice: what becomes of it.
    """

    answer: Answer
    choice: Choice


async def stream(
    exchange: Exchange, asked: Sequence[Asked], shape: Shape, prompt_tokens: int, meter: RequestMeter
) -> dict[str, int]:
    """Write the answers as events while they come in; gives what they used.

    The head of the response is sent with the first piece, so that what fails before it has a status of its own, unless
    that takes so long that the connection has to be kept open; see `Streamed`.

    Cancel safety: all work on the answers is stopped.

    Raises:
        Exception: what the answers raise.
    """
    async with _closed(asked), Streamed(exchange, CHUNKS, meter) as streamed:
        follow = _Streaming(streamed, asked, shape, prompt_tokens, meter).follow
        await _each(asked, follow)
        usage = usage_of([one.choice for one in asked], prompt_tokens)
        await streamed.end(shape.last(usage))
        return usage


async def collect(
    exchange: Exchange, asked: Sequence[Asked], shape: Shape, prompt_tokens: int, meter: RequestMeter
) -> dict[str, int]:
    """Write the answers as one response when they are all there; gives what they used.

    Cancel safety: all work on the answers is stopped.

    Raises:
        Exception: what the answers raise.
    """
    texts: dict[int, list[Piece]] = {one.choice.index: [] for one in asked}

    async def gather(one: Asked) -> None:
        await one.answer.admitted()
        meter.admitted("not_streaming")
        while (pieces := await _next(one, meter)) is not None:
            texts[one.choice.index] += pieces
        texts[one.choice.index] += one.choice.end()

    async with _closed(asked):
        await _each(asked, gather)
    choices = [one.choice for one in asked]
    usage = usage_of(choices, prompt_tokens)
    meter.stage = "sending"
    await exchange.respond(200, shape.whole(list(texts.values()), choices, usage))
    return usage


class _Streaming:
    """Writes the events of one response; those of several choices in whatever order they come."""

    def __init__(
        self, streamed: Streamed, asked: Sequence[Asked], shape: Shape, prompt_tokens: int, meter: RequestMeter
    ) -> None:
        self._streamed = streamed
        self._choices = [one.choice for one in asked]
        self._shape = shape
        self._prompt_tokens = prompt_tokens
        self._meter = meter

    async def follow(self, one: Asked) -> None:
        """Write one answer to its end."""
        await one.answer.admitted()
        self._streamed.admitted()
        choice = one.choice
        opening = self._shape.opening(choice.index)
        while (pieces := await _next(one, self._meter)) is not None:
            if pieces or opening:
                await self._streamed.write(opening + self._shape.pieces(choice, pieces, self._usage()))
                opening = b""
        rest = self._shape.pieces(choice, choice.end(), self._usage())
        await self._streamed.write(opening + rest + self._shape.closing(choice, self._usage()))

    def _usage(self) -> dict[str, int] | None:
        return usage_of(self._choices, self._prompt_tokens) if self._shape.running_usage else None


async def _next(one: Asked, meter: RequestMeter) -> Sequence[Piece] | None:
    """What is to be shown of an answer next, as much at once as has arrived; `None` at its end."""
    answer, choice = one.answer, one.choice
    if choice.ended:  # by what was seen here: the work on it is to stop now, not when all is written
        await answer.aclose()
        return None
    try:
        first = await anext(answer)
    except StopAsyncIteration:
        return None
    records = [first, *answer.ready()]
    meter.arrived(len(records))
    return choice.take(records)


async def _each(asked: Sequence[Asked], follow: Callable[[Asked], Coroutine[Any, Any, None]]) -> None:
    """Follow all answers at the same time; the first error ends them all.

    Each waits by itself to be let in: where there is room for fewer, those that are inside are read meanwhile.
    """
    if len(asked) == 1:
        await follow(asked[0])
        return
    try:
        async with asyncio.TaskGroup() as group:
            for one in asked:
                group.create_task(follow(one))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


@asynccontextmanager
async def _closed(asked: Sequence[Asked]) -> AsyncIterator[None]:
    """Close the answers behind a block: no work on them goes on, however it ended."""
    try:
        yield
    finally:
        for one in asked:
            await one.answer.aclose()
