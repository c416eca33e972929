"""A synthetic engine behind a program, and by itself. Each token says when it was due."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import sage
from benchmarks.serving.host import App, Message, Receive, Send
from sage.serving.mock import EngineOptions, MockEngine, Token, generated

__all__ = ["EngineClock", "Model", "Stamp", "direct_app", "engine_app", "model_program", "stamps"]

_STAMP: Final = re.compile(rb"@([\d.]+),([\d.]+);")


class EngineClock:
    """The clock that all processes of a machine share."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        """Seconds."""
        return time.perf_counter()

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back when it is that late."""
        return self._loop.call_later(max(0.0, when - self.now()), callback)


@dataclass(frozen=True)
class Stamp:
    """What a token tells.

    Args:
        asked: when its request had reached the engine.
        due: when it was to be there, by the engine's schedule.
    """

    asked: float
    due: float


def stamps(data: bytes) -> Iterator[tuple[Stamp, int]]:
    """Those in some bytes, each with where it ends."""
    for found in _STAMP.finditer(data):
        yield Stamp(float(found[1]), float(found[2])), found.end()


async def _texts(engine: MockEngine, tokens: int, padding: str) -> AsyncGenerator[str, None]:
    """The tokens of an answer as text."""
    asked = time.perf_counter()
    async with aclosing(generated(engine, 1, tokens)) as made:
        async for token in made:
            yield _text(asked, token, padding)


def _text(asked: float, token: Token, padding: str) -> str:
    return f"@{asked:.6f},{token.due:.6f};{padding}"


@dataclass
class Model(sage.Service):
    """The engine as a service.

    Args:
        options: how large it is, and how quick.
        padding: how many bytes a token has beside its stamp.

    Attributes:
        inside: the requests that it works on, by their ids.
        ended: when work on each request has ended.
    """

    options: EngineOptions
    padding: int = 0
    inside: set[str] = field(default_factory=set)
    ended: dict[str, float] = field(default_factory=dict)

    async def start(self) -> None:
        """Begin at once.

        Cancel safety: it never waits.
        """
        self.engine = MockEngine(EngineClock(), self.options)

    async def generate(self, request_id: str, tokens: int) -> AsyncIterator[str]:
        """The tokens of an answer; of one with 0 tokens the first never comes.

        Cancel safety: the engine works no more on it.
        """
        self.inside.add(request_id)
        try:
            if not tokens:
                await asyncio.get_running_loop().create_future()
            async with aclosing(_texts(self.engine, tokens, "x" * self.padding)) as texts:
                async for text in texts:
                    yield text
        finally:
            self.inside.discard(request_id)
            self.ended[request_id] = time.perf_counter()


def model_program(model: Model, **options: Any) -> sage.Environment:
    """Three stages: the content of the last message says how many tokens are wanted."""
    env = sage.Environment("model", **options)
    env.register_service_factory("model", lambda: model)

    async def generate(request: Any) -> AsyncIterator[str]:
        tokens = int(request.messages[-1]["content"])
        async with aclosing(sage.service("model").generate(request.id, tokens)) as texts:
            async for text in texts:
                yield text

    env.endpoint("words").flat_map(generate, concurrency=256).map(_same).map(_same).reply()
    return env


def engine_app(options: EngineOptions, *, padding: int = 0, admission: Any = None, **more: Any) -> App:
    """The engine behind a program of sage, as a server."""
    env = model_program(Model(options, padding), **more)
    return sage.serving.openai_app(env, chat={"words": "words"}, admission=admission)


def direct_app(options: EngineOptions) -> App:
    """The engine as a server by itself: each token is written when it is there, and nothing comes between."""
    engines: list[MockEngine] = []
    return partial(_direct, options, engines)


async def _direct(
    options: EngineOptions, engines: list[MockEngine], scope: Message, receive: Receive, send: Send
) -> None:
    if scope["type"] == "lifespan":
        await receive()
        engines.append(MockEngine(EngineClock(), options))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = json.loads((await receive())["body"])
    head = [(b"content-type", b"text/event-stream; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    async for text in _texts(engines[0], int(body["messages"][-1]["content"]), ""):
        event = b'data: {"choices":[{"delta":{"content":' + json.dumps(text).encode() + b"}}]}\n\n"
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def _same(text: str) -> str:
    return text
