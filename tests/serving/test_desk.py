"""What a request passes before there is any work on it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sage.errors import GraphError, Overloaded
from sage.serving import RequestError, app, openai_app
from sage.serving.desk import Desk
from tests.serving.in_process import asked
from tests.serving.stand_in import StandIn


async def count(_: Any) -> AsyncIterator[int]:
    yield 1


def desk_of(auth: Any) -> Desk:
    return Desk("d", auth=auth, rate=None, admission=None, timeout=None, max_priority=0)


async def test_looking_up_a_key_counts_as_waiting() -> None:
    async def for_ever(key: str) -> str:
        await asyncio.Event().wait()
        return key

    served = app(StandIn({"count": count}), auth=for_ever)
    async with served.lifespan():
        status, body = await asked(served, "POST", "/count", b"0", x_api_key="k", x_request_timeout="0.01")
        assert (status, b"deadline_exceeded" in body) == (504, True)


async def test_a_lookup_that_times_out_by_itself_is_an_error_of_the_program() -> None:
    async def late(key: str) -> str:
        raise TimeoutError("the database")

    with pytest.raises(TimeoutError, match="the database"):
        await desk_of(late).received({"x-api-key": "k", "x-request-timeout": "60"})


async def test_a_tenant_must_be_a_key() -> None:
    async def listed(key: str) -> Any:
        return [key]

    with pytest.raises(TypeError, match=r"auth= returned \['k'\]"):
        await desk_of(listed).received({"x-api-key": "k"})
    with pytest.raises(GraphError, match=r"the tenant \['t'\]"):
        desk_of({"k": ["t"]})


async def test_what_the_program_refuses_is_counted_by_what_refused_it() -> None:
    async def full(_: Any) -> AsyncIterator[int]:
        for limit in ("max_queue",):
            raise Overloaded("no place", limit=limit)
        yield 1

    served = app(StandIn({"count": count, "full": full}, places=0))
    async with served.lifespan():
        assert (await asked(served, "POST", "/count", b"0"))[0] == 429
        served_job: Any = served._front.host.started
        served_job.program.places = None
        assert (await asked(served, "POST", "/full", b"0"))[0] == 429
        metrics = (await asked(served, "GET", "/metrics"))[1]
        assert b'sage_request_rejected_total{knob="max_requests"} 1.0' in metrics
        assert b'sage_request_rejected_total{knob="max_queue"} 1.0' in metrics


async def test_an_app_that_nobody_started_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    served = app(StandIn({"count": count}))
    with caplog.at_level(logging.WARNING, "sage.serving"):
        for _ in range(2):
            assert (await asked(served, "POST", "/count", b"0"))[0] == 503
    assert [record.message for record in caplog.records] == [
        "the program 'stand-in' was not started: who mounts its app in another enters app.lifespan() there"
    ]


async def test_a_server_that_stops_waiting_tells_its_clients() -> None:
    began = asyncio.Event()

    async def wait(_: Any) -> AsyncIterator[int]:
        began.set()
        await asyncio.Event().wait()
        yield 1

    served = app(StandIn({"wait": wait}))
    told: list[Any] = []

    async def tell(message: Any) -> None:
        told.append(message)

    requests = iter([{"type": "http.request", "body": b"0"}])

    async def receive() -> Any:
        for message in requests:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async with served.lifespan():
        scope = {"type": "http", "method": "POST", "path": "/wait", "headers": []}
        answering = asyncio.create_task(served(scope, receive, tell))
        await began.wait()
        answering.cancel()
        await asyncio.wait([answering])
        assert answering.cancelled()
        assert told[0]["status"] == 503


@pytest.mark.parametrize(
    "wrong",
    [{"status": 200}, {"status": 600}, {"status": "400"}, {"headers": {"a b": "c"}}, {"headers": {"a": "\r\n"}}],
)
def test_an_error_that_cannot_be_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"RequestError\({next(iter(wrong))}="):
        RequestError("no", **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"chat": "m"},
        {"chat": ["m"]},
        {"timeout": "x"},
        {"timeout": True},
        {"max_priority": "x"},
        {"count_tokens": 5},
        {"expected_tokens": -1},
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match=next(iter(wrong))):
        openai_app(StandIn({"count": count}), **{"chat": {"m": "count"}, **wrong})


def test_what_is_no_program() -> None:
    with pytest.raises(GraphError, match=r"'env' cannot be served; give a sage.Environment"):
        app("env")  # type: ignore[arg-type]
