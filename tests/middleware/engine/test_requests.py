"""Requests in all the shapes in which they come."""

from types import SimpleNamespace
from typing import Any

import pytest

from sage.middleware.engine import GenerationRequest
from sage.middleware.errors import ModelRefused
from sage.serving import ChatRequest

MESSAGES = [{"role": "user", "content": "hello"}]


def test_a_text() -> None:
    assert GenerationRequest.of("hello") == GenerationRequest(prompt="hello")


@pytest.mark.parametrize("shape", [dict, SimpleNamespace])
def test_a_mapping_or_an_object(shape: Any) -> None:
    request = shape(messages=MESSAGES, max_tokens=3, temperature=1, top_p=0.5, seed=7, stop="end", model="m", n=1)
    assert GenerationRequest.of(request) == GenerationRequest(
        messages=MESSAGES, max_tokens=3, temperature=1.0, top_p=0.5, seed=7, stop=("end",)
    )


def test_what_a_server_has_no_name_for_is_in_its_extra() -> None:
    request = ChatRequest(messages=MESSAGES, n=2, presence_penalty=0.5, extra={"top_k": 3, "repetition_penalty": 1.2})
    read = GenerationRequest.of(request, served=True)
    assert (read.top_k, read.presence_penalty, read.repetition_penalty) == (3, 0.5, 1.2)
    with pytest.raises(ModelRefused, match="one answer"):
        GenerationRequest.of(request)


def test_tools_may_be_forbidden() -> None:
    request = {"messages": MESSAGES, "tools": [{"type": "function"}]}
    assert GenerationRequest.of({**request, "tool_choice": "auto"}).tools == request["tools"]
    assert GenerationRequest.of({**request, "tool_choice": "none"}).tools is None


def test_parts_that_are_text_are_joined() -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    read = GenerationRequest.of({"messages": [{"role": "user", "content": parts}, {"role": "tool", "content": None}]})
    assert [message["content"] for message in read.messages] == ["one two", ""]


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({}, "messages"),
        ({"messages": [], "prompt": None}, "messages"),
        ({"messages": MESSAGES, "prompt": "both"}, "either"),
        ({"messages": "hello"}, "list of messages"),
        ({"messages": [{"content": "x"}]}, r"messages\[0\]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text only"),
        ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "x", "max_tokens": 1.5}, "max_tokens"),
        ({"prompt": "x", "temperature": -1}, "temperature"),
        ({"prompt": "x", "temperature": float("nan")}, "temperature"),
        ({"prompt": "x", "top_p": 2}, "top_p"),
        ({"prompt": "x", "top_k": 1.5}, "top_k"),
        ({"prompt": "x", "frequency_penalty": 3}, "frequency_penalty"),
        ({"prompt": "x", "repetition_penalty": 0}, "repetition_penalty"),
        ({"prompt": "x", "logprobs": True}, "logprobs: this model does not do that"),
        ({"prompt": "x", "tool_choice": "required"}, "tool_choice"),
        ({"prompt": "x", "min_p": 0.1}, "min_p: this model does not do that"),
        ({"prompt": "x", "seed": True}, "seed"),
        ({"prompt": "x", "stop": [""]}, "stop"),
        ({"prompt": "x", "n": 2}, "one answer"),
        ({"prompt": "x", "response_format": {"type": "json_object"}}, "response_format"),
        (3, "int: give"),
    ],
)
def test_what_cannot_be_is_refused_by_name(request_: Any, told: str) -> None:
    with pytest.raises(ModelRefused, match=told):
        GenerationRequest.of(request_)
