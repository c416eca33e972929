"""Chat requests passed on as they are."""

from types import SimpleNamespace
from typing import Any

import pytest

import sage
from sage.middleware import ChatModel, ModelError, Relay
from sage.operators.llm import user
from sage.serving import ChatRequest, Delta, Finish, RequestError, ToolCallDelta, Usage
from tests.middleware.openai_server import Answer, chunk, event, refusal, serving, stream

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]


async def relayed(answer: Answer, request: Any, first_token: float = 5) -> tuple[list[Any], Any]:
    async with serving(answer) as server:
        env = sage.Environment("gateway")
        env.register_service("upstream", ChatModel, server.model(), attempts=1, first_token=first_token)
        env.endpoint("chat").flat_map(Relay("upstream", temperature=0)).reply()
        async with env.start() as job:
            return [piece async for piece in job.stream("chat", request)], server.asked[0].body


async def test_text_usage_and_limits() -> None:
    request = ChatRequest(messages=[{"role": "user", "content": "hi"}], max_tokens=5, seed=1)
    pieces, body = await relayed(stream("one two"), request)
    assert pieces == ["one ", "two ", Usage(7, 2), Finish("stop")]
    assert {name: body[name] for name in body if name not in ("stream", "stream_options")} == {
        "messages": [{"role": "user", "content": "hi"}],
        "model": "m",
        "max_tokens": 5,
        "seed": 1,
        "temperature": 0,
    }


async def test_calls_of_tools_and_why_it_ended() -> None:
    calls = [
        chunk(tool_calls=[{"index": 0, "id": "x", "type": "function", "function": {"name": "add", "arguments": ""}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
        chunk(finish="tool_calls"),
        event("[DONE]"),
    ]
    pieces, body = await relayed(Answer(calls), ChatRequest(messages=[], tools=TOOLS, tool_choice="auto"))
    assert pieces == [
        Delta(tool_calls=[ToolCallDelta(0, "x", "add", "")]),
        Delta(tool_calls=[ToolCallDelta(0, None, None, "{}")]),
        Finish("tool_calls"),
    ]
    assert (body["tools"], body["tool_choice"]) == (TOOLS, "auto")


async def test_a_reason_that_the_protocol_does_not_know_is_an_end() -> None:
    pieces, _ = await relayed(Answer([chunk("a", finish="eos")]), SimpleNamespace(messages=[user("x")]))
    assert pieces == ["a", Finish("stop")]


@pytest.mark.parametrize(
    ("answer", "status", "code", "text"),
    [
        (refusal(400, "too long", "context_length_exceeded"), 400, "context_length_exceeded", "400: too long"),
        (refusal(401, "wrong key"), 502, "model_failed", "the model failed"),
        (refusal(429, **{"retry-after": "6.5"}), 429, "model_busy", "no room now"),
        (refusal(500, "secret"), 502, "model_failed", "the model failed"),
        (Answer([chunk("a")], cut=True), 502, "model_failed", "the model failed"),
        (Answer(silent=True), 504, "model_timeout", "in time"),
    ],
)
async def test_failures_are_told_without_the_server(
    answer: Answer, status: int, code: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RequestError, match=text) as raised:
        await relayed(answer, ChatRequest(messages=[], id="r1"), first_token=0.05 if answer.silent else 5)
    assert (raised.value.status, raised.value.code) == (status, code)
    assert isinstance(raised.value.__cause__, ModelError)
    assert "http" not in str(raised.value)
    assert raised.value.headers == ({"retry-after": "7"} if status == 429 else {})
    assert "request r1: m at http" in caplog.text


def test_a_name_is_needed() -> None:
    with pytest.raises(sage.GraphError, match="the name of a service"):
        Relay(5)  # type: ignore[arg-type]


async def test_what_else_a_request_says_is_passed_on() -> None:
    extra = {"top_k": 5, "schema": "x", "self": 1, "temperature": 2}
    request = ChatRequest(messages=[dict(user("hi"))], logprobs=True, top_logprobs=2, user="u", extra=extra)
    _, body = await relayed(stream("one"), request)
    assert {name: body[name] for name in ("top_k", "schema", "self", "logprobs", "top_logprobs", "user")} == {
        "top_k": 5,
        "schema": "x",
        "self": 1,
        "logprobs": True,
        "top_logprobs": 2,
        "user": "u",
    }
    assert (body["temperature"], body["messages"]) == (0, [{"role": "user", "content": "hi"}])


async def test_reasoning_refusals_and_probabilities_come_back() -> None:
    token = {"token": "Hi", "logprob": -0.5}
    told = {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [token]}, "finish_reason": None}
    answer = Answer(
        [
            chunk(reasoning_content="hm"),
            chunk(reasoning=" well"),
            event({"choices": [told]}),
            chunk(refusal="no"),
            chunk(finish="stop"),
        ]
    )
    pieces, _ = await relayed(answer, ChatRequest(messages=[]))
    assert pieces == [
        Delta(reasoning="hm"),
        Delta(reasoning=" well"),
        Delta("Hi", logprobs=(token,)),
        Delta(refusal="no"),
        Finish("stop"),
    ]
