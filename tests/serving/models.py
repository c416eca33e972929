"""A chat model and an embedding model for the tests, and what they are served by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai

from sage.serving import ChatRequest, RequestError, openai_app
from tests.serving.live import served
from tests.serving.stand_in import StandIn

__all__ = ["CHAT", "Served", "chat_server", "client_of", "say"]

CHAT = "echo/chat-1"


@dataclass
class Script:
    """What the chat model does, and what was seen of it.

    Attributes:
        running: how many answers are being made.
        made: how many pieces were made so far.
        stopped: set when no answer is being made any more.
        go: the word ``wait`` waits for it.
    """

    running: int = 0
    made: int = 0
    began: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def chat(self, request: ChatRequest) -> AsyncIterator[Any]:
        """Say the words of the last message; some of them do something."""
        self.running += 1
        self.began.set()
        self.stopped.clear()
        try:
            for word in request.messages[-1]["content"].split():
                if word == "forever":
                    while True:
                        self.made += 1
                        yield "x" * 4096
                elif word == "wait":
                    await self.go.wait()
                elif word == "break":
                    raise RuntimeError("a secret")
                elif word == "refuse":
                    raise RequestError("too long for this model", param="messages", code="context_length_exceeded")
                else:
                    self.made += 1
                    yield word + " "
        finally:
            self.running -= 1
            if not self.running:
                self.stopped.set()


@dataclass
class Served:
    """A server that runs.

    Attributes:
        port: on loopback.
        client: the official one.
        script: what the model does.
        program: what the job was asked.
        app: the ASGI app.
    """

    port: int
    client: openai.AsyncOpenAI
    script: Script
    program: StandIn
    app: Any


async def lengths(text: str) -> AsyncIterator[list[float]]:
    yield [float(len(text)), 1.0, 0.5]


@asynccontextmanager
async def chat_server(
    chat: Any = None, *, places: int | None = None, window: int = 64, **options: Any
) -> AsyncIterator[Served]:
    """Have the models served for a block."""
    script = Script()
    program = StandIn({"chat": chat or script.chat, "lengths": lengths}, places=places, window=window)
    app = openai_app(program, chat={CHAT: "chat"}, embeddings={"lengths": "lengths"}, **options)
    async with served(app) as port, client_of(port) as client:
        yield Served(port, client, script, program, app)


def client_of(port: int) -> openai.AsyncOpenAI:
    """The official client."""
    # Without loading certificates, which takes longer than a test.
    http = httpx2.AsyncClient(verify=False)
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0, http_client=http)


def say(text: str, **more: Any) -> dict[str, Any]:
    """The body of a request."""
    return {"model": CHAT, "messages": [{"role": "user", "content": text}], **more}
