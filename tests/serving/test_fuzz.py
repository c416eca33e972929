"""Requests of any kind, against what the server says of itself: an answer or a 4xx, never a 5xx, never a hang."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies as st
from schemathesis import GenerationMode

from sage.serving import openai_app
from sage.serving.openapi import description
from tests.serving.in_process import asked
from tests.serving.stand_in import StandIn

SCHEMA = schemathesis.openapi.from_dict(description("fuzzed", guarded=False))
# The descriptions of whole bodies take long to make examples of.
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
POSTED = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
MODELS = {"chat": "/v1/chat/completions", "text": "/v1/completions", "vectors": "/v1/embeddings"}


async def words(request: Any) -> AsyncIterator[str]:
    for word in ("one", "two"):
        yield word


async def vector(text: str) -> AsyncIterator[list[float]]:
    yield [float(len(text))]


APP = openai_app(
    StandIn({"words": words, "vector": vector}),
    chat={"chat": "words"},
    completions={"text": "words"},
    embeddings={"vectors": "vector"},
)


async def answer(method: str, path: str, body: bytes, **headers: str) -> int:
    async with APP.lifespan(), asyncio.timeout(60):
        status, told = await asked(APP, method, path, body, content_type="application/json", **headers)
    assert status < 500, told
    if status >= 400 and method != "HEAD":
        assert set(json.loads(told)["error"]) == {"message", "type", "param", "code"}
    return status


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "replace")


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_bodies(path: str, mode: GenerationMode) -> None:
    (model,) = (model for model, its in MODELS.items() if its == path)

    @settings(max_examples=6, suppress_health_check=SLOW, database=None)
    @given(SCHEMA[path]["POST"].as_strategy(generation_mode=mode), st.booleans())
    def check(case: Any, known: bool) -> None:
        body = case.body
        if known and isinstance(body, dict) and "model" in body:
            body = {**body, "model": model}
        asyncio.run(answer("POST", path, encoded(body)))

    check()


VALID: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "chat", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5, "n": 2},
    "/v1/completions": {"model": "text", "prompt": "x", "stop": ["o"], "stream": True},
    "/v1/embeddings": {"model": "vectors", "input": ["x"], "encoding_format": "base64"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.data(), st.sampled_from(POSTED))
@settings(max_examples=50)
def test_one_thing_wrong(data: Any, path: str) -> None:
    body = dict(VALID[path])
    body[data.draw(st.sampled_from([*body, "tools", "temperature", "stream_options", "user"]))] = data.draw(JSON)
    asyncio.run(answer("POST", path, encoded(body)))


@given(path=st.text(max_size=8), method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "X"]))
@settings(max_examples=20)
def test_paths(path: str, method: str) -> None:
    status = asyncio.run(answer(method, f"/v1/models/{path}", b""))
    assert status in (404, 405) or not path


@given(
    st.sampled_from(["authorization", "x_request_timeout", "x_request_priority", "x_request_id", "content_type2"]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=8),
)
@settings(max_examples=20)
def test_headers(name: str, value: str) -> None:
    body = encoded(VALID["/v1/embeddings"])
    assert asyncio.run(answer("POST", "/v1/embeddings", body, **{name: value})) in (200, 400)


def test_what_is_valid_is_answered() -> None:
    for path, body in VALID.items():
        assert asyncio.run(answer("POST", path, encoded(body))) == 200
