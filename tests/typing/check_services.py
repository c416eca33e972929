"""The types of calls of services, as a checker sees them: this file is read by mypy and pyright, and never run."""

from collections.abc import AsyncIterator
from typing import assert_type

import sage


class Embedder(sage.Service):
    async def embed(self, text: str) -> list[float]:
        return [float(len(text))]

    async def tokens(self, text: str) -> AsyncIterator[str]:
        yield text

    @sage.batched(max_size=4)
    async def length(self, texts: list[str]) -> list[int]:
        return [len(text) for text in texts]

    @sage.batched(max_size=4)
    async def parsed(self, texts: list[str]) -> list[int | Exception]:
        return [int(text) if text.isdigit() else ValueError(text) for text in texts]


async def by_class(env: sage.Environment) -> None:
    embedder = sage.service(Embedder)
    assert_type(embedder, Embedder)
    assert_type(await embedder.embed("text"), list[float])
    assert_type(embedder.tokens("text"), AsyncIterator[str])
    assert_type(await embedder.length("text"), int)
    assert_type(await embedder.parsed("text"), int)  # an exception among the results is raised
    await embedder.length(3)  # type: ignore[arg-type]
    async with env.services() as services:
        assert_type(services.find(Embedder), Embedder)
