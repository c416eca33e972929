"""The same with a real program behind the server: what only that can show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

from sage.admission import Admission
from sage.environment import Environment
from sage.serving import ChatRequest, openai_app
from tests.serving.live import Raw, served
from tests.serving.models import CHAT, client_of, say


class Talker:
    """Says the words of the last message, slowly if one is ``wait``; counts what runs."""

    def __init__(self) -> None:
        self.running = 0
        self.began, self.stopped, self.go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def talk(self, request: ChatRequest) -> AsyncIterator[str]:
        self.running += 1
        self.began.set()
        try:
            for word in request.messages[-1]["content"].split():
                if word == "wait":
                    await self.go.wait()
                yield word
        finally:
            self.running -= 1
            self.stopped.set()


@asynccontextmanager
async def talking(**options: Any) -> AsyncIterator[tuple[int, openai.AsyncOpenAI, Talker]]:
    talker = Talker()
    env = Environment("talker", **options)
    env.endpoint("talk").flat_map(talker.talk, concurrency=8).map(str.upper).reply()
    async with served(openai_app(env, chat={CHAT: "talk"})) as port, client_of(port) as client:
        yield port, client, talker


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_wants_more_choices_than_are_let_in_at_once(stream: bool) -> None:
    async with talking(admission=Admission(2, max_queued=8)) as (_, client, _), asyncio.timeout(60):
        asked = say("word " * 200, n=5, stream=stream)
        texts = dict.fromkeys(range(5), "")
        if stream:
            async for chunk in await client.chat.completions.create(**asked):
                texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        else:
            for choice in (await client.chat.completions.create(**asked)).choices:
                texts[choice.index] = choice.message.content
        assert set(texts.values()) == {"WORD" * 200}


async def test_a_request_wants_more_choices_than_there_is_room_for() -> None:
    async with talking(admission=Admission(2)) as (_, client, talker):
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(**say("wait", n=3, stream=True))
        assert refused.value.code == "max_requests"
        await asyncio.wait_for(talker.stopped.wait(), 60)


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_reaches_the_running_function(stream: bool) -> None:
    async with talking() as (port, client, talker):
        async with Raw(port) as raw:
            raw.post("/v1/chat/completions", say("one wait", stream=stream))
            await talker.began.wait()
        await asyncio.wait_for(talker.stopped.wait(), 60)
        assert talker.running == 0
        talker.go.set()
        assert (await client.chat.completions.create(**say("a b"))).choices[0].message.content == "AB"


async def test_a_deadline_reaches_the_running_function() -> None:
    seconds = 0.025
    async with talking() as (_, client, talker):
        while not talker.began.is_set():  # a machine that stood still until the deadline is given more
            seconds *= 2
            with pytest.raises(openai.InternalServerError) as late:
                await client.chat.completions.create(**say("wait"), extra_headers={"x-request-timeout": f"{seconds}"})
            assert late.value.code == "deadline_exceeded"
        await asyncio.wait_for(talker.stopped.wait(), 60)


async def test_a_program_that_fails_is_not_healthy() -> None:
    talker = Talker()
    env = Environment("talker")
    env.endpoint("talk").flat_map(talker.talk, concurrency=8).reply()
    gate = asyncio.Event()

    async def fails() -> AsyncIterator[int]:
        yield 1
        await gate.wait()
        raise RuntimeError("a secret")

    env.from_iterable(fails).sink(lambda value: None)
    app = openai_app(env, chat={CHAT: "talk"})
    async with served(app) as port, client_of(port) as client:
        waiting = asyncio.create_task(client.chat.completions.create(**say("wait")))
        await talker.began.wait()
        gate.set()
        for task in (waiting, client.chat.completions.create(**say("x"))):
            with pytest.raises(openai.InternalServerError) as failed:
                await task
            assert failed.value.status_code == 503
            assert "secret" not in str(failed.value)
        async with Raw(port) as raw:
            raw.writer.write(b"GET /health HTTP/1.1\r\nhost: test\r\n\r\n")
            assert (await raw.head())[0] == 503
