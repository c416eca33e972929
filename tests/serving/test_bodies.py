"""Bodies that are too large, lack something, or ask for what there is not."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sage.serving import Limits, app, openai_app
from tests.serving.in_process import asked
from tests.serving.live import Raw, served
from tests.serving.models import CHAT, chat_server, client_of, say
from tests.serving.stand_in import StandIn

PATH = "/v1/chat/completions"
SMALL = Limits(body=1000)


async def test_a_body_that_is_too_large_is_told_even_when_the_connection_is_to_be_closed() -> None:
    async with chat_server(limits=SMALL) as server, Raw(server.port) as client:
        client.post(PATH, b" " * 10_000, connection="close")
        assert (await client.head())[0] == 413
        assert b"larger than 1000 bytes" in await client.reader.read()


@pytest.mark.parametrize(("size", "headers"), [(2_000, {"expect": "100-continue"}), (100_000, {}), (2**31, {})])
async def test_nothing_is_read_that_nobody_wants(size: int, headers: dict[str, str]) -> None:
    async with chat_server(limits=SMALL) as server, Raw(server.port) as client:
        client.post(PATH, b"", content_length=str(size), **headers)  # the body is never sent
        assert (await client.head())[0] == 413


async def test_a_stream_of_bytes_without_an_end_is_refused() -> None:
    async with chat_server(limits=SMALL) as server, Raw(server.port) as client:
        client.writer.write(f"POST {PATH} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        client.writer.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        for _ in range(16):
            client.writer.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        assert (await client.head())[0] == 413


async def count(_: Any) -> AsyncIterator[int]:
    yield 1


async def test_a_message_of_a_websocket_is_a_body_too() -> None:
    counting = app(StandIn({"count": count}), limits=SMALL)
    async with served(counting) as port, connect(f"ws://127.0.0.1:{port}/ws/count") as socket:
        await socket.send("1")
        assert [json.loads(await socket.recv()) for _ in range(2)] == [{"record": 1}, {"end": True}]
        await socket.send(json.dumps("x" * 1000))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("role", ["system", "developer", "user", "tool"])
@pytest.mark.parametrize("content", [{}, {"content": None}])
async def test_a_message_without_content(role: str, content: dict[str, Any]) -> None:
    async with chat_server() as server:
        with pytest.raises(openai.BadRequestError) as raised:
            body = {"model": CHAT, "messages": [{"role": role, **content}]}
            await server.client.post("/chat/completions", body=body, cast_to=object)
        assert (raised.value.param, role in str(raised.value)) == ("messages", True)


async def test_an_assistant_may_have_called_tools_only() -> None:
    async with chat_server() as server:
        messages = [{"role": "assistant", "tool_calls": []}, {"role": "user", "content": "go on"}]
        answer = await server.client.chat.completions.create(**{**say(""), "messages": messages})
        assert answer.choices[0].message.content == "go on "


async def vectors(text: str) -> AsyncIterator[Any]:
    yield {"nan": [float("nan")], "none": [], "two": [1.0, 2.0]}[text]


@pytest.mark.parametrize("form", ["float", "base64"])
@pytest.mark.parametrize("text", ["nan", "none"])
async def test_a_vector_of_no_numbers_is_an_error_of_the_program(text: str, form: Any) -> None:
    async with served(openai_app(StandIn({"v": vectors}), embeddings={"m": "v"})) as port, client_of(port) as client:
        with pytest.raises(openai.InternalServerError):
            await client.embeddings.create(model="m", input=text, encoding_format=form)


async def test_a_length_that_the_vectors_have_not() -> None:
    async with served(openai_app(StandIn({"v": vectors}), embeddings={"m": "v"})) as port, client_of(port) as client:
        assert (await client.embeddings.create(model="m", input="two", dimensions=2)).data[0].embedding == [1.0, 2.0]
        with pytest.raises(openai.BadRequestError) as raised:
            await client.embeddings.create(model="m", input="two", dimensions=3)
        assert raised.value.param == "dimensions"


async def test_an_endpoint_may_be_called_like_a_page() -> None:
    served_app = app(StandIn({"metrics": count}))
    async with served_app.lifespan():
        assert await asked(served_app, "POST", "/metrics", b"0") == (200, b"1\n")
        assert b"sage_requests_total" in (await asked(served_app, "GET", "/metrics"))[1]
        assert (await asked(served_app, "PUT", "/metrics"))[0] == 405
