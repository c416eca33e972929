"""The chunks of a streamed answer."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.middleware import AnswerBroken, ModelError, ModelServer, Part, ReplyBuilder, ServerEvent, Usage
from sage.middleware.chunks import part_of

SERVER = ModelServer("http://x", "m")
NAMES = st.sampled_from(
    [
        *("choices", "delta", "content", "index", "finish_reason", "tool_calls", "function", "name", "arguments", "id"),
        *("usage", "prompt_tokens", "completion_tokens", "model"),
        *("reasoning", "reasoning_content", "refusal", "logprobs"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
CALLS = st.lists(st.fixed_dictionaries({}, optional={"index": VALUES, "id": VALUES, "function": VALUES}), max_size=2)
DELTAS = st.fixed_dictionaries({}, optional={"content": VALUES, "tool_calls": CALLS | VALUES})
CHOICES = st.fixed_dictionaries(
    {}, optional={"index": VALUES, "delta": DELTAS | VALUES, "finish_reason": VALUES, "logprobs": VALUES}
)
CHUNKS = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(CHOICES, max_size=2) | VALUES, "usage": VALUES, "model": VALUES}
)


def part(chunk: Any) -> Part | None:
    return part_of(ServerEvent(json.dumps(chunk)), SERVER)


@given(chunk=CHUNKS | VALUES)
def test_whatever_a_server_sends_is_a_part_or_an_error_of_ours(chunk: Any) -> None:
    try:
        found = part(chunk)
    except ModelError:
        return
    if found is not None:
        builder = ReplyBuilder()
        builder.add(found)
        reply = builder.reply()
        assert isinstance(reply.text, str)
        assert all(isinstance(call.arguments, str) for call in reply.tool_calls)


def test_the_first_choice_counts() -> None:
    choices = [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]
    assert part({"choices": choices, "model": "q"}) == Part("a", model="q")
    assert part({"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]}) is None
    assert part({"choices": [], "usage": {"prompt_tokens": 3}}) == Part(usage=Usage(3, 0))
    assert part({"usage": None}) is None


@pytest.mark.parametrize(
    ("chunk", "where"),
    [
        ({"choices": {}}, "choices"),
        ({"choices": [5]}, "choices"),
        ({"choices": [{"delta": {"content": 5}}]}, "content"),
        ({"choices": [{"delta": {"tool_calls": [1]}}]}, "tool_calls"),
        ({"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {}}}]}}]}, "arguments"),
        ({"usage": {"prompt_tokens": "x"}}, "prompt_tokens"),
    ],
)
def test_what_is_wrong_is_named(chunk: Any, where: str) -> None:
    with pytest.raises(AnswerBroken, match=f"not what the protocol says, at {where}: "):
        part(chunk)


def test_what_a_model_thinks_is_a_part_and_no_text() -> None:
    builder = ReplyBuilder()
    token = {"token": "a", "logprob": -1.0}
    for delta in ({"reasoning_content": "hm"}, {"reasoning": "!"}, {"refusal": "no"}, {"content": "a"}):
        told = {"content": [token]} if "content" in delta else None
        found = part({"choices": [{"delta": delta, "logprobs": told}]})
        assert found is not None  # a model that thinks is at work: its time for the first token is over
        builder.add(found)
    reply = builder.reply()
    assert (reply.text, reply.reasoning, reply.refusal, reply.logprobs) == ("a", "hm!", "no", (token,))


def test_probabilities_that_are_none() -> None:
    with pytest.raises(AnswerBroken, match="logprobs"):
        part({"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [1]}}]})
