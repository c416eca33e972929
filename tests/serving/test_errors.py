"""What a client is told when something goes wrong."""

import asyncio
import json
import logging
from typing import Any

import httpx2
import openai
import pytest

from sage.admission import Admission
from sage.errors import DeadlineExceeded, GraphError, JobNotRunning, Overloaded
from sage.serving import Rate, RequestError, openai_app
from sage.serving.errors import problem_of
from tests.serving.live import Raw, served
from tests.serving.models import CHAT, chat_server, say
from tests.serving.stand_in import StandIn


async def errors_of(server: Any, **body: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as raised:
        await server.client.post("/chat/completions", body={**say("x"), **body}, cast_to=object)
    return raised.value


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": "no"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop": [""]}, "stop"),
        ({"n": 0}, "n"),
        ({"temperature": "hot"}, "temperature"),
        ({"stream_options": 3}, "stream_options"),
    ],
)
async def test_a_parameter_that_cannot_be(body: dict[str, Any], param: str) -> None:
    async with chat_server() as server:
        error = await errors_of(server, **body)
        assert (error.status_code, error.param, error.type) == (400, param, "invalid_request_error")
        assert server.program.job.asked == []


async def test_a_model_that_is_not_there() -> None:
    async with chat_server() as server:
        error = await errors_of(server, model="nobody")
        assert (error.status_code, error.code, error.param) == (404, "model_not_found", "model")
        error = await errors_of(server, model="lengths")
        assert (error.status_code, error.code) == (404, "model_not_found")
        assert "not one for chat" in str(error)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_went_wrong_inside_is_logged_and_not_told(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    async with chat_server() as server:
        with caplog.at_level(logging.ERROR, "sage.serving"):
            error = await errors_of(server, **say("break", stream=stream))
        assert (error.status_code, error.code, error.type) == (500, "internal_error", "server_error")
        assert "secret" not in str(error)
        assert error.request_id is not None
        assert error.request_id in str(error)
        (record,) = caplog.records
        assert "RuntimeError: a secret" in (record.exc_text or str(record.exc_info))
        assert error.request_id in record.getMessage()


async def test_what_the_program_tells_clients() -> None:
    async with chat_server() as server:
        error = await errors_of(server, **say("refuse"))
        assert (error.status_code, error.code, error.param) == (400, "context_length_exceeded", "messages")
        assert "too long for this model" in str(error)


async def test_a_stream_that_breaks_does_not_look_finished() -> None:
    async with chat_server() as server:
        stream = await server.client.chat.completions.create(**say("one two break", stream=True))
        texts = [(await anext(stream)).choices[0].delta.content for _ in range(3)]
        assert texts == ["", "one ", "two "]
        with pytest.raises(openai.APIError) as raised:
            await anext(stream)
        assert (raised.value.code, raised.value.type) == ("internal_error", "server_error")
        async with Raw(server.port) as client:
            client.post("/v1/chat/completions", say("one break", stream=True))
            await client.head()
            *_, last, end = (await client.rest()).split(b"\n\n")
            assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "internal_error"
            assert end == b""  # and no [DONE]


async def test_overload_names_the_bound_and_a_time_to_come_back() -> None:
    async with chat_server(admission=Admission(2)) as server:
        inside = [asyncio.create_task(server.client.chat.completions.create(**say("wait"))) for _ in range(2)]
        while server.script.running < 2:
            await asyncio.sleep(0.001)
        for stream in (False, True):
            error = await errors_of(server, **say("x", stream=stream))
            headers = error.response.headers
            assert isinstance(error, openai.RateLimitError)
            assert (error.code, headers["x-refused-by"]) == ("max_requests", "max_requests")
            assert "max_requests=2" in str(error)
            assert int(headers["retry-after"]) >= 1
            assert int(headers["retry-after-ms"]) > 0
            assert headers["x-should-retry"] == "true"
        server.script.go.set()
        await asyncio.gather(*inside)
        async with httpx2.AsyncClient(timeout=60) as http:
            text = (await http.get(f"http://127.0.0.1:{server.port}/metrics")).text
        assert 'sage_request_rejected_total{knob="max_requests"} 2.0' in text


async def test_what_never_fits_is_not_tried_again() -> None:
    async with chat_server(admission=Admission(2, max_tokens=100)) as server:
        error = await errors_of(server, max_tokens=1000)
        assert (error.status_code, error.code) == (429, "max_tokens")
        assert error.response.headers["x-should-retry"] == "false"
        assert "retry-after" not in error.response.headers


async def test_the_job_may_refuse_as_well() -> None:
    async with chat_server(places=0) as server:
        error = await errors_of(server)
        assert (error.status_code, error.response.headers["retry-after-ms"]) == (429, "250")


@pytest.mark.parametrize("admission", [None, Admission(1, max_queued=1)])
async def test_a_deadline_counts_the_waiting(admission: Admission | None) -> None:
    async with chat_server(admission=admission) as server:
        first = asyncio.create_task(server.client.chat.completions.create(**say("wait")))
        await server.script.began.wait()
        with pytest.raises(openai.InternalServerError) as late:
            await server.client.chat.completions.create(**say("wait"), extra_headers={"x-request-timeout": "0.02"})
        assert (late.value.status_code, late.value.code) == (504, "deadline_exceeded")
        assert late.value.response.headers["x-should-retry"] == "false"
        server.script.go.set()
        await first


async def test_headers_that_cannot_be_read() -> None:
    async with chat_server(timeout=3600, max_priority=2) as server:
        for name, value in (("x-request-timeout", "soon"), ("x-request-timeout", "-1"), ("x-request-priority", "high")):
            with pytest.raises(openai.BadRequestError) as wrong:
                await server.client.chat.completions.create(**say("x"), extra_headers={name: value})
            assert wrong.value.param == name
        headers = {"x-request-priority": "99", "x-request-timeout": "1e9", "x-request-id": "é" * 500}
        async with Raw(server.port) as client:
            client.post("/v1/chat/completions", say("x"), **headers)
            status, told = await client.head()
        assert status == 200
        assert told["x-request-id"].startswith("req-")
        (asked,) = server.program.job.asked
        assert asked["priority"] == 2
        assert 1800 < asked["deadline"] <= 3600


async def test_keys() -> None:
    async with chat_server(auth={"good": "ana", "other": "bob"}) as server:
        create = server.client.chat.completions.create
        for headers in ({}, {"Authorization": "Bearer bad"}, {"Authorization": "Basic good"}):
            with pytest.raises(openai.AuthenticationError) as wrong:
                await create(**say("x"), extra_headers=headers)
            assert wrong.value.response.headers["www-authenticate"] == "Bearer"
        with pytest.raises(openai.AuthenticationError):
            await server.client.models.list()
        assert server.program.job.asked == []
        await create(**say("x"), extra_headers={"Authorization": "Bearer good"})
        await create(**say("x"), extra_headers={"Authorization": "", "x-api-key": "other"})
        assert [asked["key"] for asked in server.program.job.asked] == ["ana", "bob"]
        async with httpx2.AsyncClient(timeout=60) as http:
            assert (await http.get(f"http://127.0.0.1:{server.port}/health")).status_code == 200


async def test_keys_are_asked_for_and_named() -> None:
    async def find(key: str) -> str | None:
        return key.upper() if key == "x" else None

    for auth, tenant in ((find, "X"), (["x"], "key-2d711642b726")):
        async with chat_server(auth=auth) as server:
            await server.client.chat.completions.create(**say("x"))
            assert server.program.job.asked[0]["key"] == tenant


async def test_rates() -> None:
    async with chat_server(rate=Rate(requests_per_minute=2, tokens_per_minute=1000)) as server:
        create = server.client.chat.completions.create
        with pytest.raises(openai.RateLimitError) as much:
            await create(**say("x", max_tokens=2000))
        assert (much.value.code, much.value.response.headers["x-should-retry"]) == ("tokens_per_minute", "false")
        await create(**say("a b", max_tokens=900))  # what it does not use is given back
        await create(**say("a b", max_tokens=900))
        with pytest.raises(openai.RateLimitError) as often:
            await create(**say("a", max_tokens=1))
        assert often.value.code == "requests_per_minute"
        assert 5 < int(often.value.response.headers["retry-after"]) <= 31  # 30 s, less what has passed


async def test_tokens_are_paid_for_as_they_were_used() -> None:
    rate = Rate(tokens_per_minute=100)
    async with chat_server(rate=rate, admission=Admission(1, max_tokens=95)) as server:
        create = server.client.chat.completions.create
        with pytest.raises(openai.RateLimitError) as refused:
            await create(**say("a", max_tokens=96))
        assert refused.value.code == "max_tokens"  # and nothing was paid
        await create(**say("a " * 33, max_tokens=75))  # 33 of them, and 17 of the request
        with pytest.raises(openai.RateLimitError) as used_up:
            await create(**say("a", max_tokens=90))
        assert used_up.value.code == "tokens_per_minute"
        await create(**say("a", max_tokens=40))


async def test_a_server_that_stops_takes_no_more_and_finishes_what_it_has() -> None:
    async with chat_server() as server:
        first = asyncio.create_task(server.client.chat.completions.create(**say("wait one")))
        await server.script.began.wait()
        drained = asyncio.create_task(server.app.drain())
        await asyncio.sleep(0)
        error = await errors_of(server)
        assert (error.status_code, error.code) == (503, "draining")
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
            assert (await http.get("/ready")).status_code == 503
            assert (await http.get("/health")).status_code == 200
        assert not drained.done()
        server.script.go.set()
        assert (await first).choices[0].message.content == "one "
        await drained


async def test_requests_that_are_none() -> None:
    async with (
        chat_server() as server,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http,
    ):
        path = "/v1/chat/completions"
        for content, kind, status in (
            (b"{", "application/json", 400),
            (b"[]", "application/json", 400),
            (b"\xff", "application/json", 400),
            (b"[" * 100_000, "application/json", 400),
            (b"{}", "text/plain", 415),
            (b" " * (5 << 20), "application/json", 413),
        ):
            response = await http.post(path, content=content, headers={"content-type": kind})
            assert (response.status_code, bool(response.json()["error"]["message"])) == (status, True)
        wrong = await http.get(path)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
        assert (await http.get("/v1/nothing")).json()["error"]["code"] == "unknown_url"
        with pytest.raises(openai.NotFoundError, match=r"no /v1/responses; what can be asked is /v1/chat/completions,"):
            await server.client.responses.create(model="m", input="x")
        assert (await http.head("/health")).status_code == 200


def test_what_is_told_of_each_error() -> None:
    told = {
        Overloaded("as many wait as may"): (429, "overloaded", "false"),
        DeadlineExceeded("late"): (504, "deadline_exceeded", "false"),
        JobNotRunning("no", job="orders"): (503, "draining", None),
        RequestError("no", status=422, code="odd"): (422, "odd", None),
    }
    for error, (status, code, again) in told.items():
        problem = problem_of(error, "id")
        assert (problem.status, problem.code, problem.headers.get("x-should-retry")) == (status, code, again)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "no model to serve"),
        ({"chat": {"m": 3}}, "name of its endpoint"),
        ({"chat": {"m": "e"}, "auth": "secret"}, r"write a list of keys"),
        ({"chat": {"m": "e"}, "auth": []}, "has no keys"),
        ({"chat": {"m": "e"}, "auth": [""]}, "not a text"),
        ({"chat": {"m": "e"}, "auth": 3}, "auth= is a int"),
        ({"chat": {"m": "e"}, "timeout": 0}, "timeout=0"),
        ({"chat": {"m": "e"}, "admission": 3}, r"admission=3: write Admission\(...\)"),
        ({"chat": {"m": "e"}, "rate": 60}, r"rate=60: write Rate\(...\)"),
        ({"chat": {"m": "e"}, "metrics_names": "mine"}, "'sage' or 'vllm'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], told: str) -> None:
    with pytest.raises(GraphError, match=told) as raised:
        openai_app(StandIn({}), **options)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("rate", [{"requests_per_minute": 0}, {"tokens_per_minute": True}])
def test_rates_that_cannot_be(rate: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match="number of 1 or more"):
        Rate(**rate)


async def test_an_endpoint_that_the_program_lacks() -> None:
    app = openai_app(StandIn({"talk": lambda request: request}), chat={CHAT: "chat"})
    with pytest.raises(GraphError, match="no endpoint 'chat' to serve; there is: talk"):
        async with app.lifespan():
            pass
    with pytest.raises(SystemExit):
        async with served(app):
            pass
