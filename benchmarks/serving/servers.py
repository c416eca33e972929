"""What serves tokens over HTTP: a program of sage, and what one would write with Starlette or with bare ASGI."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec

import sage
from benchmarks.serving.host import App, Message, Receive, Send
from benchmarks.serving.streams import all_words, exclaim, upper, words

__all__ = ["bare_app", "sage_app", "starlette_app"]

_encode = msgspec.json.Encoder().encode
_HEAD = {"id": "chatcmpl-0123456789abcdef0123456789abcdef", "object": "chat.completion.chunk", "created": 1_700_000_000}


def sage_app() -> App:
    """Three stages; the content of the last message is how many tokens are wanted."""
    env = sage.Environment("words")

    async def tokens(request: Any) -> AsyncIterator[str]:
        for token in all_words(int(request.messages[-1]["content"])):
            yield token

    env.endpoint("words").flat_map(tokens, concurrency=256).map(upper).map(exclaim).reply()
    return sage.serving.openai_app(env, chat={"words": "words"})


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + _encode({**_HEAD, "model": "words", "choices": [choice]}) + b"\n\n"


_BEFORE, _, _AFTER = _event({"content": "?"}).partition(b'"?"')


async def _events(count: int) -> AsyncIterator[bytes]:
    """The same stages, and the same bytes: of an event only the text is encoded for each token."""
    opening = _event({"role": "assistant", "content": ""})
    async for token in words(count):
        yield opening + _BEFORE + _encode(exclaim(upper(token))) + _AFTER
        opening = b""
    yield opening + _event({}, "stop") + b"data: [DONE]\n\n"


def starlette_app() -> App:
    """A `StreamingResponse` over a generator."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def chat(request: Request) -> StreamingResponse:
        body = await request.json()
        return StreamingResponse(_events(int(body["messages"][-1]["content"])), media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])


def bare_app() -> App:
    """The same without a framework, and without looking whether the client is still there."""
    return _bare


async def _bare(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    head = [(b"content-type", b"text/event-stream; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    async for event in _events(int(json.loads(body)["messages"][-1]["content"])):
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
