"""The client of chat models, against a server that misbehaves."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

import sage
from sage.middleware import (
    AnswerBroken,
    ChatModel,
    ModelBusy,
    ModelError,
    ModelFailed,
    ModelRefused,
    ModelServer,
    ModelTimeout,
    ModelUnreachable,
    Usage,
)
from sage.operators.llm import ToolCall, tool, user
from sage.testing import assert_nothing_left
from tests.middleware.openai_server import Answer, chunk, event, refusal, serving, stream, words

HELLO = [user("hello")]
QUICK: dict[str, Any] = {"attempts": 2, "pause": 0.001}


@asynccontextmanager
async def chatting(*servers: ModelServer, **options: Any) -> AsyncIterator[ChatModel]:
    chat = ChatModel(*servers, **{"attempts": 1, **options})
    await chat.start()
    try:
        yield chat
    finally:
        await chat.stop()


async def text_of(chat: ChatModel, **options: Any) -> str:
    return "".join([piece async for piece in chat.tokens(HELLO, **options)])


async def test_an_answer_is_streamed() -> None:
    async with (
        assert_nothing_left(),
        serving(stream("one two")) as server,
        chatting(server.model(key="secret")) as chat,
    ):
        assert [piece async for piece in chat.tokens(HELLO, temperature=0)] == ["one ", "two "]
        (asked,) = server.asked
        assert asked.path == "/v1/chat/completions"
        assert asked.headers["authorization"] == "Bearer secret"
        assert asked.body == {
            "messages": [{"role": "user", "content": "hello"}],
            "model": "m",
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
        }


async def test_an_answer_as_a_whole() -> None:
    async with serving(stream("one two")) as server, chatting(server.model()) as chat:
        reply = await chat.chat(HELLO)
        assert (reply.text, reply.finish_reason, reply.usage, reply.model) == ("one two ", "stop", Usage(7, 2), "m")
        assert reply.message == {"role": "assistant", "content": "one two "}


async def test_connections_are_used_again() -> None:
    async with serving(stream("a"), refusal(400), stream("b")) as server, chatting(server.model()) as chat:
        assert await text_of(chat) == "a "
        with pytest.raises(ModelRefused):
            await text_of(chat)
        assert await text_of(chat) == "b "
        assert server.connections == 1


async def test_tools_and_schemas_are_told_and_calls_are_put_together() -> None:
    @tool
    def weather(city: str) -> str:
        """The weather."""
        return city

    def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
        name = {"name": more.pop("name")} if "name" in more else {}
        return {"index": index, "function": {**name, "arguments": arguments}, **more}

    pieces = [
        chunk(tool_calls=[call(0, "", id="x", name="weather")], role="assistant"),
        chunk(tool_calls=[call(0, '{"city": '), call(1, "{}", id="y", name="other")]),
        chunk(tool_calls=[call(0, '"Oslo"}')]),
        chunk(finish="tool_calls"),
        event("[DONE]"),
    ]
    async with serving(Answer(pieces)) as server, chatting(server.model()) as chat:
        reply = await chat.chat(HELLO, tools=[weather], schema={"title": "t", "type": "object"})
        assert reply.tool_calls == (ToolCall("x", "weather", '{"city": "Oslo"}'), ToolCall("y", "other", "{}"))
        assert reply.message["content"] is None
        body = server.asked[0].body
        assert body["tools"][0]["function"]["name"] == "weather"
        assert body["response_format"]["json_schema"] == {
            "name": "t",
            "schema": {"title": "t", "type": "object"},
            "strict": True,
        }


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (refusal(404, "no such model", "model_not_found"), ModelRefused, "m at http.*: 404: no such model"),
        (refusal(401), ModelRefused, "401"),
        (refusal(429, "slow down"), ModelBusy, "slow down"),
        (refusal(503), ModelBusy, "503"),
        (refusal(500, "oh"), ModelFailed, "500: oh"),
        (Answer([b"<html>"], 502), ModelFailed, "502: <html>"),
        (Answer([chunk("a"), chunk("b")], cut=True), AnswerBroken, "the connection broke"),
        (Answer([chunk("a")]), AnswerBroken, "ended in the middle"),
        (Answer([event("{no")]), AnswerBroken, "no JSON object: '{no'"),
        (Answer([event("[]")]), AnswerBroken, "no JSON object"),
        (Answer([event({"choices": [{"delta": "x"}]})]), AnswerBroken, "not what the protocol says"),
        (Answer([chunk("a"), event({"error": {"message": "half way", "code": 5}})]), ModelFailed, "half way"),
        (Answer([b"event: error\n" + event({"message": "odd"})]), ModelFailed, "odd"),
        (
            Answer([b"{}"], headers={"content-type": "application/json"}),
            AnswerBroken,
            "application/json, not with a st",
        ),
        (Answer([b'{"error": "x"}'], headers={"content-type": "application/json"}), ModelFailed, "told of an error: x"),
    ],
)
async def test_failures_have_types_and_say_what(answer: Answer, kind: type[ModelError], text: str) -> None:
    async with assert_nothing_left(), serving(answer) as server, chatting(server.model()) as chat:
        with pytest.raises(kind, match=text) as raised:
            await chat.chat(HELLO)
        assert isinstance(raised.value, sage.SageError)
        again = pickle.loads(pickle.dumps(raised.value))
        assert (type(again), str(again), vars(again)) == (kind, str(raised.value), vars(raised.value))


async def test_a_missing_sign_of_the_end_does_not_matter_if_the_reason_came() -> None:
    async with serving(Answer([chunk("a"), chunk(finish="length")])) as server, chatting(server.model()) as chat:
        assert (await chat.chat(HELLO)).finish_reason == "length"


async def test_a_server_that_does_not_hang_up_does_not_hold_up_the_end() -> None:
    async with serving(Answer(words("a b"), stall=True)) as server, chatting(server.model()) as chat:
        assert await asyncio.wait_for(text_of(chat), 60) == "a b "
        await asyncio.wait_for(server.alone.wait(), 60)


# ---- retries and fallbacks


async def test_it_is_tried_again_before_the_first_token() -> None:
    script = (refusal(500), Answer([chunk("", role="assistant")], cut=True), stream("there"))
    async with serving(*script) as server, chatting(server.model(), attempts=3, pause=0.001) as chat:
        assert await text_of(chat) == "there "
        assert len(server.asked) == 3


async def test_it_is_not_tried_again_behind_the_first_token() -> None:
    async with serving(Answer([chunk("once")], cut=True), stream("x")) as server, chatting(server.model()) as chat:
        got = []
        with pytest.raises(AnswerBroken):
            async for piece in chat.tokens(HELLO):
                got.append(piece)  # noqa: PERF401  # it raises on the way
        assert (got, len(server.asked)) == (["once"], 1)


async def test_what_is_refused_is_not_tried_again() -> None:
    async with serving(refusal(400), stream("x")) as server, chatting(server.model(), **QUICK) as chat:
        with pytest.raises(ModelRefused):
            await text_of(chat)
        assert len(server.asked) == 1


async def test_others_are_asked_when_one_fails() -> None:
    async with (
        serving(refusal(404)) as first,
        serving(refusal(429)) as second,
        serving(stream("third")) as third,
        chatting(first.model("a"), second.model("b"), third.model("c"), **QUICK) as chat,
    ):
        assert await text_of(chat) == "third "
        assert [server.asked[0].body["model"] for server in (first, second, third)] == ["a", "b", "c"]


async def test_the_last_failure_tells_of_those_before() -> None:
    async with serving(refusal(500, "broken"), refusal(500, "still")) as one, serving(refusal(404, "unknown")) as two:
        async with chatting(one.model("a"), two.model("b"), **QUICK) as chat:
            with pytest.raises(ModelFailed, match="still") as raised:
                await text_of(chat)
            notes = raised.value.__notes__
            assert len(notes) == 2
            assert "broken" in notes[0]
            assert "unknown" in notes[1]
        assert (len(one.asked), len(two.asked)) == (2, 1)


async def test_it_waits_as_long_as_the_server_wants() -> None:
    async with (
        serving(refusal(429, **{"retry-after-ms": "30"}), stream("x")) as server,
        chatting(server.model(), **QUICK) as chat,
    ):
        start = asyncio.get_running_loop().time()
        assert await text_of(chat) == "x "
        assert asyncio.get_running_loop().time() - start > 0.025


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
async def test_when_to_come_back_is_told(headers: dict[str, str], seconds: float | None) -> None:
    async with serving(refusal(503, **headers)) as server, chatting(server.model()) as chat:
        with pytest.raises(ModelBusy) as raised:
            await text_of(chat)
        assert (raised.value.retry_after, raised.value.status) == (seconds, 503)


async def test_a_pause_that_would_outlast_the_deadline_is_not_begun() -> None:
    async with serving(refusal(429, **{"retry-after": "60"})) as server, chatting(server.model(), **QUICK) as chat:
        with sage.deadline(30), pytest.raises(ModelBusy):
            await asyncio.wait_for(text_of(chat), 60)


async def test_a_server_that_wants_to_be_left_alone_for_long_is() -> None:
    async with serving(refusal(429, **{"retry-after": "3600"})) as server, chatting(server.model(), **QUICK) as chat:
        with pytest.raises(ModelBusy):
            await asyncio.wait_for(text_of(chat), 60)


async def test_nobody_there() -> None:
    async with serving() as server:
        url = server.url
    async with chatting(ModelServer(url, "m"), **QUICK) as chat:
        with pytest.raises(ModelUnreachable, match=r"m at http.*cannot be reached"):
            await text_of(chat)


# ---- time and cancellation


@pytest.mark.parametrize(
    ("answer", "limits", "text"),
    [
        (Answer(silent=True), {"first_token": 0.02}, "nothing came within first_token=0.02 s"),
        (Answer([b": here\n\n", chunk("", role="assistant")], stall=True), {"first_token": 0.02}, "first_token=0.02 s"),
        (Answer([chunk("a"), b": still here\n\n"], stall=True), {"gap": 0.02}, "nothing came within gap=0.02 s"),
    ],
)
async def test_a_token_that_does_not_come(answer: Answer, limits: dict[str, float], text: str) -> None:
    async with assert_nothing_left(), serving(answer) as server, chatting(server.model(), **limits) as chat:
        with pytest.raises(ModelTimeout, match=text) as raised:
            await text_of(chat)
        assert isinstance(raised.value, TimeoutError)
        await asyncio.wait_for(server.alone.wait(), 60)


async def test_the_deadline_of_who_asks_holds() -> None:
    async with (
        assert_nothing_left(),
        serving(Answer([chunk("a")], stall=True)) as server,
        chatting(server.model(), **QUICK) as chat,
    ):
        with pytest.raises(sage.DeadlineExceeded), sage.deadline(0.02):
            await text_of(chat)
        await asyncio.wait_for(server.alone.wait(), 60)


@pytest.mark.parametrize("answer", [Answer(silent=True), Answer([chunk("a")], stall=True)])
async def test_cancelling_closes_the_connection_at_once(answer: Answer) -> None:
    async with assert_nothing_left(), serving(answer) as server, chatting(server.model(), **QUICK) as chat:
        asking = asyncio.create_task(chat.chat(HELLO))
        await server.came.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(server.alone.wait(), 60)
        assert len(server.asked) == 1


async def test_leaving_a_stream_closes_the_connection_at_once() -> None:
    async with (
        assert_nothing_left(),
        serving(Answer([chunk("a"), chunk("b")], stall=True)) as server,
        chatting(server.model()) as chat,
    ):
        async with aclosing(chat.tokens(HELLO)) as pieces:
            async for _ in pieces:
                break
        await asyncio.wait_for(server.alone.wait(), 60)


async def test_as_a_service_of_a_program() -> None:
    async with serving(stream("one two"), stream("three")) as server:
        env = sage.Environment("program")
        env.register_service("chat", ChatModel, server.model())

        async def answer(text: str) -> AsyncIterator[str]:
            async with aclosing(sage.service("chat").tokens([user(text)])) as pieces:
                async for piece in pieces:
                    yield piece

        assert await env.from_iterable(["a", "b"]).flat_map(answer, concurrency=1).to_list() == [
            "one ",
            "two ",
            "three ",
        ]


# ---- what cannot be


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ChatModel(), "give one ModelServer"),
        (lambda: ChatModel(ModelServer("http://x", "m"), gap=0), r"ChatModel\(gap=0\): write seconds"),
        (lambda: ChatModel(ModelServer("http://x", "m"), attempts=0), "attempts=0: write how often"),
        (lambda: ChatModel(ModelServer("http://x", "m"), pause=-1), "pause=-1: write seconds"),
        (lambda: ModelServer("x", "m"), "starts with http://"),
        (lambda: ModelServer("http://x", ""), "the name of the model"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, text: str) -> None:
    with pytest.raises(sage.GraphError, match=text):
        make()


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(ModelServer("http://x/v1", "m", key="secret"))


async def test_it_must_be_started() -> None:
    with pytest.raises(ModelUnreachable, match="before the service was started"):
        await ChatModel(ModelServer("http://x", "m"), attempts=1).chat(HELLO)
