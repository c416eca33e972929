"""Endpoints that are not chat: JSON in, lines or events out, and WebSockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import httpx2
import numpy
import pydantic
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from sage.admission import Admission
from sage.errors import GraphError
from sage.serving import RequestError, app, openai_app
from tests.serving import in_process
from tests.serving.live import Raw, served
from tests.serving.models import CHAT, Script, say
from tests.serving.stand_in import StandIn


class Counter:
    """An endpoint that counts, and waits or fails if told to."""

    def __init__(self) -> None:
        self.began, self.stopped = asyncio.Event(), asyncio.Event()

    async def count(self, value: Any) -> AsyncIterator[Any]:
        self.began.set()
        try:
            for number in range(value["to"]):
                yield {"number": number}
            if value.get("then") == "wait":
                await asyncio.Event().wait()
            if value.get("then") == "fail":
                raise RuntimeError("a secret")
            if value.get("then") == "odd":
                yield object()
        finally:
            self.stopped.set()


@contextlib.asynccontextmanager
async def counting(**options: Any) -> AsyncIterator[tuple[int, Counter, StandIn]]:
    counter = Counter()
    program = StandIn({"count": counter.count, "hidden": counter.count})
    async with served(app(program, **options)) as port:
        yield port, counter, program


async def asked(port: int, value: Any, *, path: str = "/count", **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        return await http.post(path, json=value, headers=headers)


async def test_lines_and_events() -> None:
    async with counting() as (port, _, _):
        lines = await asked(port, {"to": 3})
        assert lines.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in lines.text.splitlines()] == [{"number": number} for number in range(3)]
        events = await asked(port, {"to": 2}, accept="text/event-stream")
        assert events.headers["content-type"].startswith("text/event-stream")
        assert events.text == 'data: {"number":0}\n\ndata: {"number":1}\n\n'
        empty = await asked(port, {"to": 0})
        assert (empty.status_code, empty.text) == (200, "")


async def test_errors_before_and_in_the_middle(caplog: pytest.LogCaptureFixture) -> None:
    async with counting(endpoints=["count"]) as (port, _, _):
        assert (await asked(port, {"to": 0, "then": "fail"})).status_code == 500
        middle = await asked(port, {"to": 1, "then": "fail"})
        first, last = map(json.loads, middle.text.splitlines())
        assert (first, last["error"]["code"]) == ({"number": 0}, "internal_error")
        assert "secret" not in middle.text
        odd = await asked(port, {"to": 0, "then": "odd"})  # nothing that JSON can say
        assert (odd.status_code, odd.json()["error"]["code"]) == (500, "internal_error")
        for path in ("/nothing", "/hidden", "/"):
            assert (await asked(port, {}, path=path)).status_code == 404


async def test_who_may_ask_and_how_much_is_let_in() -> None:
    async with counting(auth={"key": "ana"}, admission=Admission(1)) as (port, counter, program):
        assert (await asked(port, {"to": 1})).status_code == 401
        allowed = {"authorization": "Bearer key"}
        async with Raw(port) as client:
            client.post("/count", {"to": 1, "then": "wait"}, **allowed)
            await client.head()
            refused = await asked(port, {"to": 1}, **allowed)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "max_requests")
        await asyncio.wait_for(counter.stopped.wait(), 60)  # the client went away
        assert program.job.asked[0]["key"] == "ana"


async def test_websockets() -> None:
    async with counting() as (port, counter, _), connect(f"ws://127.0.0.1:{port}/ws/count") as socket:
        for value in ({"to": 2}, {"to": 1}):
            await socket.send(json.dumps(value))
        expected: list[Any] = [{"record": {"number": 0}}, {"record": {"number": 1}}, {"end": True}]
        assert [json.loads(await socket.recv()) for _ in range(5)] == [*expected, expected[0], {"end": True}]
        await socket.send("{")
        assert json.loads(await socket.recv())["error"]["type"] == "invalid_request_error"
        await socket.send(json.dumps({"to": 0, "then": "fail"}))
        assert json.loads(await socket.recv())["error"]["code"] == "internal_error"
        counter.stopped.clear()
        await socket.send(json.dumps({"to": 1, "then": "wait"}))
        await socket.recv()
        await socket.close()
        await asyncio.wait_for(counter.stopped.wait(), 60)


async def test_websockets_that_are_refused() -> None:
    async with counting(auth=["key"], origins=["https://friend.example"]) as (port, _, _):
        url = f"ws://127.0.0.1:{port}/ws"
        allowed = {"authorization": "Bearer key"}
        for path, headers, origin in (
            ("count", {}, None),
            ("nothing", allowed, None),
            ("count", allowed, Origin("https://evil.example")),
        ):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{url}/{path}", additional_headers=headers, origin=origin)
            assert refused.value.response.status_code == 403
        for origin in (None, Origin("https://friend.example"), Origin(f"http://127.0.0.1:{port}")):
            async with connect(f"{url}/count", additional_headers=allowed, origin=origin):
                pass


async def test_a_websocket_whose_requests_pile_up() -> None:
    async with counting() as (port, counter, _), connect(f"ws://127.0.0.1:{port}/ws/count") as socket:
        await socket.send(json.dumps({"to": 0, "then": "wait"}))
        await counter.began.wait()
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(100):
                await socket.send(json.dumps({"to": 0}))
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        await asyncio.wait_for(counter.stopped.wait(), 60)


async def test_mounted_in_another_app() -> None:
    script = Script()
    inner = openai_app(StandIn({"chat": script.chat}), chat={CHAT: "chat"})

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with inner.lifespan():
            yield

    outer = fastapi.FastAPI(lifespan=lifespan)
    outer.mount("/models", inner)
    async with served(outer) as port:
        response = await asked(port, say("one"), path="/models/v1/chat/completions")
        assert response.json()["choices"][0]["message"]["content"] == "one "
        assert (await asked(port, {}, path="/models/v1/nothing")).json()["error"]["code"] == "unknown_url"
        with pytest.raises(GraphError, match="running already"):
            async with inner.lifespan():
                pass
    async with served(inner) as port:  # once more, by itself
        assert (await asked(port, say("two"), path="/v1/chat/completions")).status_code == 200


async def test_mounted_without_its_life() -> None:
    inner = openai_app(StandIn({"chat": Script().chat}), chat={CHAT: "chat"})
    outer = fastapi.FastAPI()
    outer.mount("/models", inner)
    async with served(outer) as port:
        response = await asked(port, say("one"), path="/models/v1/chat/completions")
        assert response.status_code == 503


def test_lists_are_no_texts() -> None:
    with pytest.raises(GraphError, match=r"endpoints=\['ask'\]"):
        app(StandIn({}), endpoints="count")


def test_what_a_program_may_tell_crosses_processes() -> None:
    import pickle

    error = RequestError("too long", status=422, param="messages", code="long", headers={"a": "b"})
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


async def test_arrays_and_models_are_records_too() -> None:
    class Point(pydantic.BaseModel):
        x: int

    async def odd(_: Any) -> AsyncIterator[Any]:
        yield numpy.arange(3)
        yield {"a": numpy.float32(0.5), "b": Point(x=1)}

    served_app = app(StandIn({"odd": odd}))
    async with served_app.lifespan():
        answered = await in_process.asked(served_app, "POST", "/odd", b"0")
        assert answered == (200, b'[0,1,2]\n{"a":0.5,"b":{"x":1}}\n')


async def test_an_error_is_an_event_of_another_name_than_records() -> None:
    async with counting() as (port, _, _), Raw(port) as client:
        client.post("/count", {"to": 1, "then": "fail"}, accept="text/event-stream")
        await client.head()
        record, error, _ = (await client.rest()).split(b"\n\n")
        assert record == b'data: {"number":0}'
        assert error.startswith(b'event: error\ndata: {"error":')
