"""Pieces of answers that are more than text."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from sage.serving import Delta, ToolCallDelta, Usage
from sage.serving.choice import Choice
from sage.serving.openai import openai_app
from tests.serving.live import served
from tests.serving.models import chat_server, client_of, say
from tests.serving.stand_in import StandIn

HI = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}
YOU = {"token": " you", "logprob": -0.25}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Delta(content=5),  # type: ignore[arg-type]
        lambda: Delta(refusal=b"no"),  # type: ignore[arg-type]
        lambda: Delta(reasoning=["a"]),  # type: ignore[arg-type]
        lambda: ToolCallDelta("0"),  # type: ignore[arg-type]
        lambda: ToolCallDelta(0, arguments={"a": 1}),  # type: ignore[arg-type]
        lambda: ToolCallDelta(0, name=5),  # type: ignore[arg-type]
        lambda: Usage(1.5),  # type: ignore[arg-type]
    ],
)
def test_what_clients_would_fail_over_is_refused_where_it_is_made(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"(Delta|ToolCallDelta|Usage)\(\w+=.*write a (text|whole number)"):
        make()


def shown(pieces: Sequence[Any], stops: Sequence[str]) -> tuple[str, str]:
    choice = Choice(stops=stops)
    out = [*choice.take(pieces), *choice.end()]
    return "".join(p.content or "" if isinstance(p, Delta) else p for p in out), choice.finish_reason


def test_a_stop_string_holds_for_text_in_any_piece() -> None:
    assert shown(["a", Delta("b ST"), Delta("OP c"), "d"], ["STOP"]) == ("ab ", "stop")
    assert shown(["a ST", Delta("AY", reasoning="hm"), Delta("!")], ["STOP"]) == ("a STAY!", "stop")


async def telling_chat(_: Any) -> AsyncIterator[Any]:
    yield Delta("Hi", logprobs=[HI])
    yield Delta(" you", logprobs=[YOU])
    yield "!"


async def test_logprobs_of_a_chat() -> None:
    async with chat_server(telling_chat) as server:
        whole = await server.client.chat.completions.create(**say("x", logprobs=True, top_logprobs=1))
        told = whole.choices[0].logprobs
        assert told is not None
        assert told.content is not None
        assert [(token.token, token.logprob) for token in told.content] == [("Hi", -0.5), (" you", -0.25)]
        assert told.content[0].top_logprobs[0].token == "Ho"
        chunks = await server.client.chat.completions.create(**say("x", logprobs=True, stream=True))
        streamed = [
            token.token
            async for chunk in chunks
            for token in (chunk.choices[0].logprobs and chunk.choices[0].logprobs.content) or ()
        ]
        assert streamed == ["Hi", " you"]


async def test_logprobs_of_a_completion() -> None:
    app = openai_app(StandIn({"text": telling_chat}), completions={"m": "text"})
    async with served(app) as port, client_of(port) as client:
        whole = await client.completions.create(model="m", prompt="x", logprobs=1)
        told = whole.choices[0].logprobs
        assert told is not None
        assert (told.tokens, told.token_logprobs, told.text_offset) == (["Hi", " you"], [-0.5, -0.25], [0, 2])
        assert told.top_logprobs == [{"Ho": -1.5}, {}]
        chunks = [chunk async for chunk in await client.completions.create(model="m", prompt="x", stream=True)]
        parts = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
        assert [(part.tokens, part.text_offset) for part in parts] == [(["Hi"], [0]), ([" you"], [2])]


async def test_a_refusal_stands_in_the_place_of_the_content() -> None:
    async def refuse(_: Any) -> AsyncIterator[Any]:
        yield Delta(refusal="I will not")

    async with chat_server(refuse) as server:
        message = (await server.client.chat.completions.create(**say("x"))).choices[0].message
        assert (message.content, message.refusal) == (None, "I will not")
