"""Connections to servers of models: what is not seen through a chat."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import sage
from sage.middleware import AnswerBroken, ModelFailed, ModelRefused, ModelServer
from sage.middleware.connection import Connection
from sage.testing import assert_nothing_left
from tests.middleware.openai_server import Answer, Server, refusal, serving

JSON = {"content-type": "application/json"}


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Connection]:
    connection = Connection([server.model()], connect=5)
    connection.open()
    try:
        yield connection
    finally:
        await connection.aclose()
        await connection.aclose()


async def test_a_body_that_is_json() -> None:
    async with serving(Answer([b'{"a"', b": 1}"], headers=JSON)) as server, connected(server) as connection:
        assert await connection.post_json(server.model(), "/x", {"b": 2}, 5) == {"a": 1}
        assert (server.asked[0].path, server.asked[0].body) == ("/v1/x", {"b": 2})


async def test_of_a_long_error_only_the_beginning_is_read() -> None:
    answer = Answer([b"no " * 10_000] * 10, 400, stall=True)
    async with assert_nothing_left(), serving(answer) as server, connected(server) as connection:
        with pytest.raises(ModelRefused, match="400: no no"):
            await asyncio.wait_for(connection.post_json(server.model(), "/x", {}, 60), 60)
        await asyncio.wait_for(server.alone.wait(), 60)


@pytest.mark.parametrize("status", [408, 409, 425])
async def test_some_refusals_may_pass(status: int) -> None:
    async with serving(refusal(status)) as server, connected(server) as connection:
        with pytest.raises(ModelFailed) as raised:
            await connection.post_json(server.model(), "/x", {}, 5)
        assert raised.value.passing


async def test_json_that_is_nested_too_deeply_is_broken() -> None:
    async with serving(Answer([b"[" * 100_000], headers=JSON)) as server, connected(server) as connection:
        with pytest.raises(AnswerBroken, match="no JSON"):
            await connection.post_json(server.model(), "/x", {}, 5)


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(sage.NotAvailable, match=r'pip install "sage-streams\[llm\]"'):
        Connection([ModelServer("http://x", "m")], 5).open()
