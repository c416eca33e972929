"""The synthetic server as plain HTTP: faults, cancellation, and what it tells of itself."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from sage.errors import GraphError
from sage.serving import RequestError
from sage.serving.mock import MockOptions, MockServer, serving

http = pytest.importorskip("httpx2", reason="needs an HTTP client: pip install httpx2")

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = {"model": "mock", "messages": [{"role": "user", "content": "hello"}]}
STREAM = {**BODY, "stream": True}
PATH = "/v1/chat/completions"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(url: str) -> AsyncIterator[Any]:
    async with http.AsyncClient(base_url=url, timeout=60) as made:
        yield made


async def counted(client: Any, **expected: int) -> dict[str, int]:
    """The counters, as soon as they are as expected."""
    while True:
        told: dict[str, int] = (await client.get("/metrics")).json()
        if expected.items() <= told.items():
            return told


async def test_what_it_tells_of_itself(client: Any) -> None:
    before = await counted(client, running=0, waiting=0)
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert (await client.post(PATH, json={**BODY, "max_tokens": 5})).status_code == 200
    after = await counted(client, running=0)
    assert after["finished"] == before["finished"] + 1
    assert after["tokens"] == before["tokens"] + 5


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/v1/nothing", b"", 404),
        ("GET", PATH, b"", 405),
        ("POST", "/v1/models", b"", 405),
        ("POST", PATH, b"{", 400),
        ("POST", PATH, b"[]", 400),
        ("POST", PATH, b"[" * 100_000, 400),
        ("POST", PATH, b"\xff", 400),
        ("POST", PATH, json.dumps({**BODY, "model": "nobody"}).encode(), 404),
        ("POST", PATH, json.dumps({**BODY, "max_tokens": 20_000, "ignore_eos": True}).encode(), 400),
        ("POST", "/v1/embeddings", b'{"model": "mock", "input": []}', 400),
        ("POST", "/v1/embeddings", b'{"model": "mock", "input": "x", "encoding_format": "?"}', 400),
        ("POST", "/v1/completions", b'{"model": "mock", "prompt": ["a", "b"]}', 400),
    ],
)
async def test_what_cannot_be_answered(client: Any, method: str, path: str, content: bytes, status: int) -> None:
    answer = await client.request(method, path, content=content)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(("path", "name"), [("/v1/completions", "prompt"), ("/v1/embeddings", "input")])
async def test_half_a_letter_is_no_trouble(client: Any, path: str, name: str) -> None:
    content = b'{"model": "mock", "%s": "\\ud800"}' % name.encode()
    assert (await client.post(path, content=content)).status_code == 200


async def test_a_body_that_is_too_large(client: Any) -> None:
    assert (await client.post(PATH, content=b" " * (16 * 1024 * 1024 + 1))).status_code == 413


async def test_the_end_of_a_stream(client: Any) -> None:
    async with client.stream("POST", PATH, json=STREAM) as answer:
        lines = [line async for line in answer.aiter_lines() if line]
    assert answer.headers["content-type"] == "text/event-stream"
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["choices"][0] == {
        "index": 0,
        "delta": {},
        "finish_reason": "stop",
    }


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_frees_the_place(client: Any, url: str, stream: bool) -> None:
    before = await counted(client, running=0)
    body = {**BODY, "stream": stream, "max_tokens": 9_000, "ignore_eos": True}
    async with http.AsyncClient(base_url=url, timeout=60) as other:
        if stream:
            async with other.stream("POST", PATH, json=body) as answer:
                await anext(answer.aiter_lines())
        else:
            asked = asyncio.create_task(other.post(PATH, json=body))
            await counted(client, running=1)
            asked.cancel()
            await asyncio.wait([asked])
    after = await counted(client, running=0)
    assert after["cancelled"] == before["cancelled"] + 1
    assert after["tokens"] - before["tokens"] < 9_000


async def test_a_client_that_goes_away_while_it_waits(client: Any) -> None:
    before = await counted(client, running=0)
    stuck = {"x-mock-stall": "0"}
    asked = [asyncio.create_task(client.post(PATH, json=STREAM, headers=stuck)) for _ in range(3)]
    await counted(client, running=2, waiting=1)
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)
    after = await counted(client, running=0, waiting=0)
    assert after["cancelled"] == before["cancelled"] + 3


async def test_an_error_before_the_first_token(client: Any) -> None:
    answer = await client.post(PATH, json=STREAM, headers={"x-mock-error": "503"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "mock_error")
    fine = await client.post(PATH, json=STREAM, headers={"x-mock-error": "503@0"})
    assert fine.status_code == 200


async def test_a_refusal_that_says_when_to_come_back(client: Any) -> None:
    answer = await client.post("/v1/embeddings", json={"model": "mock", "input": "x"}, headers={"x-mock-overload": "7"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_an_unknown_value_of_a_fault(client: Any) -> None:
    answer = await client.post(PATH, json=STREAM, headers={"x-mock-cut": "soon"})
    assert (answer.status_code, "cut=TOKENS" in answer.text) == (400, True)


async def test_late_tokens(client: Any) -> None:
    async with client.stream(
        "POST", PATH, json=STREAM, headers={"x-mock-first": "0.02", "x-mock-stall": "3:0.03"}
    ) as answer:
        lines = [line async for line in answer.aiter_lines() if "sage_mock" in line]
    due = [json.loads(line.removeprefix("data: "))["sage_mock"]["due"] for line in lines]
    gaps = [later - sooner for sooner, later in pairwise(due)]
    assert len(due) == 8
    assert gaps[2] == pytest.approx(0.031, abs=1e-5)  # the third gap is before token 3, and ends with a step
    assert gaps[:2] + gaps[3:] == pytest.approx([0.001] * 6, abs=1e-5)


async def test_a_stream_that_is_cut(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    got = b""
    async with client.stream("POST", PATH, json=STREAM, headers={"x-mock-cut": "3"}) as answer:
        with pytest.raises(http.RemoteProtocolError):
            async for data in answer.aiter_raw():
                got += data
    assert got.count(b"sage_mock") == 3
    assert b"[DONE]" not in got
    after = await counted(client, running=0)
    assert after["running"] == 0
    with pytest.raises(http.RemoteProtocolError):
        await client.post(PATH, json=BODY, headers={"x-mock-cut": "3"})
    assert [record for record in caplog.records if record.levelno >= logging.CRITICAL] == []


async def test_a_key_is_asked_for() -> None:
    async with (
        serving(MockServer(MockOptions(api_key="secret"))) as url,
        http.AsyncClient(base_url=url, timeout=60) as other,
    ):
        assert (await other.get("/v1/models")).status_code == 401
        assert (await other.get("/health")).status_code == 200
        let_in = await other.get("/v1/models", headers={"authorization": "Bearer secret"})
        assert let_in.json()["data"][0]["id"] == "mock"


async def test_other_machines_need_a_key() -> None:
    with pytest.raises(GraphError, match="API key"):
        async with serving(MockServer(), host="0.0.0.0"):
            pass


@pytest.mark.parametrize("status", [403, 503, 504])
async def test_errors_are_of_the_kinds_of_a_real_server(client: Any, status: int) -> None:
    answer = await client.post(PATH, json=BODY, headers={"x-mock-error": str(status)})
    assert answer.json()["error"]["type"] == RequestError("", status=status).type
