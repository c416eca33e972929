"""How long a model may take, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from sage.middleware import ModelServer, ModelTimeout
from sage.middleware.completion import completion
from sage.testing import virtual_time
from tests.middleware.openai_server import chunk, event

SERVER = ModelServer("http://x", "m")


class Timed:
    """A connection whose answer comes at set times: pieces, and seconds between them."""

    headers = {"content-type": "text/event-stream"}  # noqa: RUF012  # never changed

    def __init__(self, *steps: bytes | float) -> None:
        self.steps = steps
        self.closed = False

    @asynccontextmanager
    async def post(self, *_: object) -> AsyncIterator["Timed"]:
        try:
            yield self
        finally:
            self.closed = True

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            if isinstance(step, bytes):
                yield step
            else:
                await asyncio.sleep(step)


def every(seconds: float, piece: bytes) -> list[bytes | float]:
    return [seconds, piece] * 5


async def read(timed: Timed, pause: float = 0) -> list[str]:
    connection: Any = timed
    texts = []
    async with aclosing(completion(connection, SERVER, {}, first_token=10, gap=2)) as parts:
        async for part in parts:
            texts.append(part.text)
            await asyncio.sleep(pause)
    assert timed.closed
    return texts


@virtual_time
async def test_the_first_token_may_take_longer_than_the_others() -> None:
    assert await read(Timed(9, chunk("a"), 1, chunk("b"), 1.9, chunk("c"), chunk(finish="stop"))) == ["a", "b", "c", ""]


@pytest.mark.parametrize(
    ("timed", "seconds", "text"),
    [
        (Timed(11, chunk("a")), 10, "first_token=10 s"),
        (Timed(*every(6, b": here\n\n")), 10, "first_token=10 s"),
        (Timed(*every(6, chunk("", role="assistant"))), 10, "first_token=10 s"),
        (Timed(5, chunk("a"), 3, chunk("b")), 7, "gap=2 s"),
        (Timed(5, chunk("a"), *every(1.5, b": here\n\n")), 7, "gap=2 s"),
    ],
)
def test_what_takes_too_long_is_given_up_when_its_time_is_up(timed: Timed, seconds: float, text: str) -> None:
    @virtual_time
    async def run() -> None:
        start = asyncio.get_running_loop().time()
        with pytest.raises(ModelTimeout, match=f"nothing came within {text}"):
            await read(timed)
        assert asyncio.get_running_loop().time() - start == pytest.approx(seconds)
        assert timed.closed

    run()


@virtual_time
async def test_time_that_the_reader_takes_does_not_count() -> None:
    assert await read(Timed(chunk("a"), 1, chunk("b"), 1, chunk(finish="stop")), pause=100) == ["a", "b", ""]


@virtual_time
async def test_a_response_that_does_not_end_is_left_soon() -> None:
    start = asyncio.get_running_loop().time()
    assert await read(Timed(chunk("a"), event("[DONE]"), 100, chunk("b"))) == ["a"]
    assert asyncio.get_running_loop().time() - start < 1
