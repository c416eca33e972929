"""Comments that keep a stream open while there is nothing to say."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from sage.errors import GraphError
from sage.serving import Limits, app
from tests.serving.live import Raw, served
from tests.serving.models import chat_server, say
from tests.serving.stand_in import StandIn

COMMENT = b": keep-alive\n\n"
OFTEN = Limits(keep_alive=0.005)


async def test_the_first_token_takes_long() -> None:
    async with chat_server(limits=OFTEN) as server, Raw(server.port) as client:
        client.post("/v1/chat/completions", say("wait word", stream=True))
        status, headers = await client.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert [await client.chunk() for _ in range(3)] == [COMMENT] * 3
        server.script.go.set()
        events = [event for event in (await client.rest()).split(b"\n\n") if event.startswith(b"data: ")]
        assert [b"word" in event for event in events] == [False, True, False, False]


async def test_a_pause_in_the_middle() -> None:
    async with chat_server(limits=OFTEN) as server, Raw(server.port) as client:
        client.post("/v1/chat/completions", say("word wait", stream=True))
        await client.head()
        while await client.chunk() != COMMENT:
            pass
        server.script.go.set()
        assert (await client.rest()).endswith(b"data: [DONE]\n\n")


async def test_the_official_client_passes_them_over() -> None:
    async with chat_server(limits=OFTEN) as server:
        chunks = await server.client.chat.completions.create(**say("one wait two", stream=True))
        asyncio.get_running_loop().call_later(0.03, server.script.go.set)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in chunks]) == "one two "


async def test_an_error_behind_a_comment_is_an_event() -> None:
    async with chat_server(limits=OFTEN) as server:
        chunks = await server.client.chat.completions.create(**say("wait refuse", stream=True))
        server.script.go.set()  # the head has come, so a comment was sent
        with pytest.raises(openai.APIError) as raised:
            await anext(aiter(chunks))
        assert raised.value.code == "context_length_exceeded"


async def test_without_them_the_status_waits_for_the_first_token() -> None:
    async with chat_server(limits=Limits(keep_alive=None)) as server:
        asked = asyncio.create_task(server.client.chat.completions.create(**say("wait refuse", stream=True)))
        await server.script.began.wait()
        server.script.go.set()
        with pytest.raises(openai.BadRequestError):
            await asked


async def test_whole_answers_have_none() -> None:
    async with chat_server(limits=OFTEN) as server:
        asyncio.get_running_loop().call_later(0.03, server.script.go.set)
        answer = await server.client.chat.completions.create(**say("wait word"))
        assert answer.choices[0].message.content == "word "


async def test_several_answers_share_a_stream() -> None:
    async with chat_server(limits=Limits(keep_alive=0.001)) as server, Raw(server.port) as client:
        client.post("/v1/chat/completions", say("a wait " + "b " * 200, n=3, stream=True))
        await client.head()
        asyncio.get_running_loop().call_later(0.02, server.script.go.set)
        events = (await client.rest()).split(b"\n\n")
        texts = ["", "", ""]
        for event in events[:-2]:
            if event + b"\n\n" != COMMENT:
                (choice,) = json.loads(event.removeprefix(b"data: "))["choices"]
                texts[choice["index"]] += choice["delta"].get("content") or ""
        assert texts == ["a " + "b " * 200] * 3


async def test_who_leaves_meanwhile_is_noticed() -> None:
    async with chat_server(limits=OFTEN) as server:
        async with Raw(server.port) as client:
            client.post("/v1/chat/completions", say("wait", stream=True))
            await client.head()
        await asyncio.wait_for(server.script.stopped.wait(), 60)


@pytest.mark.parametrize(("accept", "comments"), [("text/event-stream", True), ("application/json", False)])
async def test_records_as_events_and_as_lines(accept: str, comments: bool) -> None:
    go = asyncio.Event()

    async def slow(_: Any) -> AsyncIterator[int]:
        yield 1
        await go.wait()
        yield 2

    async with served(app(StandIn({"slow": slow}), limits=OFTEN)) as port, Raw(port) as client:
        client.post("/slow", None, accept=accept)
        await client.head()
        got = b""
        while b"1\n" not in got:
            got += await client.chunk()
        if comments:
            assert await client.chunk() == COMMENT
        else:
            await asyncio.sleep(0.02)
        go.set()
        got += await client.rest()
        assert got.replace(COMMENT, b"") == (b"data: 1\n\ndata: 2\n\n" if comments else b"1\n2\n")


@pytest.mark.parametrize("wrong", [{"keep_alive": 0}, {"stall": None}, {"stall": -1}, {"body": 0}, {"write": 1.5}])
def test_limits_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match=rf"Limits\({next(iter(wrong))}="):
        Limits(**wrong)
