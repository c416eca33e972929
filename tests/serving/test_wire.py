"""Requests and pieces of answers where a program's operators are joined by sockets."""

from collections.abc import Iterator
from typing import Any

import pytest

from sage.environment import Environment
from sage.serving import ChatRequest, CompletionRequest, Delta, Finish, ToolCallDelta, Usage, openai_app
from sage.serving.wire import register_types
from sage.transports.codec import Codec
from tests.serving.live import served
from tests.serving.models import CHAT, client_of, say


def pieces(request: ChatRequest) -> Iterator[Any]:
    yield Delta(request.messages[-1]["content"], logprobs=[{"token": "x", "logprob": -1.0}])
    yield Usage(3, 4)
    yield Finish("length")


async def test_a_program_over_zmq_is_served() -> None:
    env = Environment("far", transport="zmq")
    env.endpoint("talk").flat_map(pieces).map(lambda piece: piece).reply()
    async with served(openai_app(env, chat={CHAT: "talk"})) as port, client_of(port) as client:
        answer = await client.chat.completions.create(**say("hello", metadata={"a": "b"}))
        (choice,) = answer.choices
        assert (choice.message.content, choice.finish_reason) == ("hello", "length")
        assert answer.usage is not None
        assert answer.usage.total_tokens == 7


@pytest.mark.parametrize(
    "value",
    [
        ChatRequest(messages=[{"role": "user", "content": "hi"}], stop=("a", "b"), key="tenant", extra={"top_k": 5}),
        CompletionRequest(prompt="hi", max_tokens=5),
        Delta("x", [ToolCallDelta(0, "call_1", "add", "{}")], logprobs=[{"token": "x", "logprob": -1.0}]),
        Usage(1),
        Finish("tool_calls"),
    ],
)
def test_what_goes_out_comes_in(value: object) -> None:
    register_types()
    codec = Codec()
    encoded = codec.encode(value)
    assert codec.decode(encoded.body, encoded.buffers) == value
