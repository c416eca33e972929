"""The tokens of a synthetic engine for whoever awaits them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager

from sage.serving.mock.engine import MockEngine, Token

__all__ = ["TokenReader", "generated", "reading"]


class TokenReader:
    """Holds the tokens of one request until they are read; one task reads."""

    def __init__(self, tokens: int) -> None:
        self._left = tokens
        self._ready: list[Token] = []
        self._wake: asyncio.Future[None] | None = None

    def put(self, token: Token) -> None:
        """Take a token from the engine."""
        self._ready.append(token)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def ready(self) -> list[Token]:
        """All that is there, at least one token; the empty list at the end.

        Cancel safety: when cancelled, no token is lost.
        """
        if not self._left:
            return []
        if not self._ready:
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        tokens, self._ready = self._ready, []
        self._left -= len(tokens)
        return tokens


@contextmanager
def reading(
    engine: MockEngine, prompt_tokens: int, tokens: int, pauses: Mapping[int, float] | None = None
) -> Iterator[TokenReader]:
    """Submit a request for the length of a block; leaving it early cancels the request.

    Raises:
        Overloaded, ValueError: as `MockEngine.submit`.
    """
    reader = TokenReader(tokens)
    run = engine.submit(prompt_tokens, tokens, reader.put, pauses)
    try:
        yield reader
    finally:
        engine.cancel(run)


async def generated(engine: MockEngine, prompt_tokens: int, tokens: int) -> AsyncGenerator[Token, None]:
    """The tokens of one request one by one, for pipelines without a server.

    Cancel safety: closing the generator, or cancelling whoever reads it, cancels the request.

    Raises:
        Overloaded, ValueError: as `MockEngine.submit`.
    """
    with reading(engine, prompt_tokens, tokens) as reader:
        while ready := await reader.ready():
            for token in ready:
                yield token
