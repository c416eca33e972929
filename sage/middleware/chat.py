"""A client of chat models: any server that speaks the OpenAI protocol.

::

    stream ─▶ attempt at the first server ─▶ at the second ─▶ ... ─▶ pause ─▶ at the first ─▶ ...
                 │ until its first token was received                          `attempts` times at most
                 ▼
              tokens, then no other attempt: a reader never gets an answer's beginning twice
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from sage.middleware.attempts import Pauses, first_that_answers
from sage.middleware.completion import completion
from sage.middleware.connection import Connection
from sage.middleware.model_server import ModelServer, check_client
from sage.middleware.reply import Part, Reply, ReplyBuilder
from sage.operators.llm import Message, Tool
from sage.services.service import Service

__all__ = ["ChatModel"]


class ChatModel(Service):
    """A chat model at a server, and others to fall back to.

    ::

        env.register_service("chat", ChatModel, ModelServer("http://127.0.0.1:8000/v1", "qwen"))

        async for text in sage.service("chat").tokens([user("Why is the sky blue?")]): ...
        reply = await sage.service("chat").chat([user("Why is the sky blue?")], max_tokens=100)

    Answers are read as streams, also by `chat`, so that a model which has stopped is noticed. An attempt that fails
    before its first token goes on at the next server at once; when all have failed, there is a pause. The deadline of
    whoever asks holds for all attempts together, and cancelling closes the connection at once, so that the server
    stops as well.

    Options go to the server as they are (``temperature=0``, ``max_tokens=100``, ``seed=1``), but for three:
    ``tools=[...]`` takes `Tool`, ``schema={...}`` asks for JSON that follows a JSON schema, and ``extra_body={...}``
    has what else is to stand in the request.

    Durations are seconds, or a timedelta.

    Args:
        servers: the first is asked first.
        attempts: how often all servers are tried at most, the first time included.
        pause: before the second time; the pauses double, up to a minute.
        first_token: until the first token of an attempt, connecting included.
        gap: from one token to the next.
        connect: how long opening a connection may take.
        options: what every request says, unless it says otherwise.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(
        self,
        *servers: ModelServer,
        attempts: int = 3,
        pause: float | timedelta = 0.5,
        first_token: float | timedelta = 60,
        gap: float | timedelta = 30,
        connect: float | timedelta = 5,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        limits = check_client("ChatModel", servers, first_token=first_token, gap=gap, connect=connect)
        self._first_token, self._gap, to_connect = limits
        self._servers = servers
        self._pauses = Pauses(attempts, pause)
        self._options = dict(options or {})
        self._connection = Connection(servers, to_connect)

    async def start(self) -> None:
        """See `Service.start`. Nothing is sent before the first request.

        Cancel safety: nothing is left.

        Raises:
            NotAvailable: httpx2 is not installed.
        """
        self._connection.open()

    async def stop(self) -> None:
        """See `Service.stop`.

        Cancel safety: it is shielded.
        """
        await self._connection.aclose()

    async def chat(self, messages: Iterable[Message], **options: Any) -> Reply:
        """The whole answer.

        Cancel safety: the connection is closed, and the server stops.

        Raises:
            ModelError: as its kind says, with a note for each attempt before the last.
        """
        builder = ReplyBuilder()
        async with aclosing(self.stream(messages, **options)) as parts:
            async for part in parts:
                builder.add(part)
        return builder.reply()

    async def tokens(self, messages: Iterable[Message], **options: Any) -> AsyncGenerator[str, None]:
        """The text of the answer, as it comes.

        Cancel safety: closing it, or cancelling whoever reads it, closes the connection, and the server stops.

        Raises:
            ModelError: as `chat`.
        """
        async with aclosing(self.stream(messages, **options)) as parts:
            async for part in parts:
                if part.text:
                    yield part.text

    async def stream(self, messages: Iterable[Message], **options: Any) -> AsyncGenerator[Part, None]:
        """The answer in parts, as they come: text, pieces of tool calls, why it ended, and what it took.

        Cancel safety: as `tokens`.

        Raises:
            ModelError: as `chat`.
        """
        body = _body(list(messages), {**self._options, **options})
        attempts = [self._attempt(server, body) for server in self._servers]
        async with aclosing(first_that_answers(attempts, self._pauses)) as parts:
            async for part in parts:
                yield part

    def _attempt(self, server: ModelServer, body: dict[str, Any]) -> Any:
        asked = {**body, "model": server.model}
        return lambda: completion(self._connection, server, asked, self._first_token, self._gap)


def _body(messages: list[Message], options: dict[str, Any]) -> dict[str, Any]:
    schema = options.pop("schema", None)
    tools: Sequence[Tool | Mapping[str, Any]] = options.pop("tools", ())
    more = options.pop("extra_body", {})
    body = {**more, **options, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    if tools:
        body["tools"] = [tool.to_dict() if isinstance(tool, Tool) else tool for tool in tools]
    if schema is not None:
        told = {"name": schema.get("title", "answer"), "schema": schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": told}
    return body
