"""A synthetic OpenAI-compatible server, as an ASGI application.

====================================  ==================================================================
``POST /v1/chat/completions``         words, streamed or whole
``POST /v1/completions``              the same
``POST /v1/embeddings``               vectors made of hashes
``GET /v1/models``, ``/v1/models/ID`` what there is
``GET /health``                       whether it answers
``GET /metrics``                      what the engine does and did, as JSON
====================================  ==================================================================
"""

import hmac
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import Any

from sage.clock import Clock, LoopClock
from sage.errors import GraphError, Overloaded
from sage.serving.errors import RequestError, error_body
from sage.serving.mock.answering import Script, send_stream, send_whole
from sage.serving.mock.bodies import TextRequest, read_chat, read_completion, read_embedding
from sage.serving.mock.chunks import ChatShape, CompletionShape, Shape
from sage.serving.mock.engine import MockEngine
from sage.serving.mock.faults import Faults, Trouble
from sage.serving.mock.http import Disconnected, read_body, send_json
from sage.serving.mock.options import MockOptions
from sage.serving.mock.reading import TokenReader, reading
from sage.serving.mock.texts import as_base64, vector
from sage.serving.presence import Presence, Receive, Scope, Send

__all__ = ["MockServer"]

_MODEL_PATH = "/v1/models/"

ReadText = Callable[[Mapping[str, Any]], TextRequest]


class MockServer:
    """The application. `sage.serving.mock.serving` runs it, as does any ASGI server with one worker.

    Args:
        options: what it offers, how large and how quick it is, and what goes wrong.
        clock: tells the time; by default that of the loop in which the first request comes.

    Raises:
        GraphError: an option cannot be.
    """

    def __init__(self, options: MockOptions | None = None, clock: Clock | None = None) -> None:
        self.options = options or MockOptions()
        self._faults = Faults(self.options.faults, self.options.seed)
        self._given_clock = clock
        self._numbers = itertools.count(1)
        self._work: dict[str, Callable[[Mapping[str, Any], Trouble, Send], Awaitable[None]]] = {
            "/v1/chat/completions": partial(self._text, read_chat, ChatShape),
            "/v1/completions": partial(self._text, read_completion, CompletionShape),
            "/v1/embeddings": self._embeddings,
        }

    @cached_property
    def clock(self) -> Clock:
        """What tells the time; to be asked for in the loop that serves."""
        return self._given_clock or LoopClock()

    @cached_property
    def engine(self) -> MockEngine:
        """What makes the tokens; to be asked for in the loop that serves."""
        return MockEngine(self.clock, self.options.engine)

    def metrics(self) -> dict[str, int]:
        """What ``/metrics`` tells: requests now ``running`` and ``waiting``, and what was done since the start."""
        engine = self.engine
        names = ("running", "waiting", "started", "finished", "cancelled", "refused", "tokens")
        return {**{name: getattr(engine, name) for name in names}, "kv_tokens": engine.held}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it.

        Cancel safety: when cancelled, the request is taken out of the engine.
        """
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            try:
                await self._answer(scope, receive, send)
            except RequestError as problem:
                await send_json(send, error_body(problem), problem.status, problem.headers)
            except Disconnected:
                return

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if path == "/health":
            await send_json(send, {"status": "ok"})
            return
        self._let_in(headers)
        if path in self._work:
            _only(method, "POST")
            work, trouble = self._work[path], self._trouble(headers)
            body = await read_body(receive)
            async with Presence(receive):
                await work(body, trouble, send)
            return
        _only(method, "GET")
        await send_json(send, self._told(path))

    def _let_in(self, headers: Mapping[str, str]) -> None:
        expected = self.options.api_key
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if expected is not None and not hmac.compare_digest(given.encode(), expected.encode()):
            raise RequestError("show the API key: Authorization: Bearer KEY", status=401, code="invalid_api_key")

    def _trouble(self, headers: Mapping[str, str]) -> Trouble:
        try:
            return self._faults.drawn(headers)
        except GraphError as error:
            raise RequestError(str(error)) from None

    def _told(self, path: str) -> dict[str, Any]:
        """What a GET answers."""
        if path == "/metrics":
            return self.metrics()
        if path == "/v1/models":
            return {"object": "list", "data": [_card(model) for model in self.options.models]}
        if path.startswith(_MODEL_PATH):
            return _card(self._known(path.removeprefix(_MODEL_PATH)))
        raise RequestError(f"there is nothing at {path}", status=404)

    def _known(self, model: str) -> str:
        if model not in self.options.models:
            there = ", ".join(self.options.models)
            raise RequestError(
                f"there is no model {model!r}, only {there}", status=404, param="model", code="model_not_found"
            )
        return model

    async def _text(
        self, read: ReadText, shape_of: type[Shape], body: Mapping[str, Any], trouble: Trouble, send: Send
    ) -> None:
        request = read(body)
        self._known(request.model)
        _refuse(trouble)
        script = Script.of(request, self.options)
        number, created = next(self._numbers), self.clock.now()
        with _admitted(self.engine, script, trouble) as reader:
            if request.stream:
                shape = shape_of(number, request.model, created, request.usage)
                await send_stream(send, reader, script, shape, trouble, usage=request.usage)
            else:
                await send_whole(send, reader, script, shape_of(number, request.model, created), trouble)

    async def _embeddings(self, body: Mapping[str, Any], trouble: Trouble, send: Send) -> None:
        request = read_embedding(body)
        self._known(request.model)
        _refuse(trouble)
        dimensions = request.dimensions or self.options.dimensions
        vectors = (vector(text, dimensions) for text in request.texts)
        data = [
            {"object": "embedding", "index": index, "embedding": as_base64(values) if request.base64 else values}
            for index, values in enumerate(vectors)
        ]
        tokens = sum(len(text.split()) for text in request.texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        await send_json(send, {"object": "list", "data": data, "model": request.model, "usage": usage})


@contextmanager
def _admitted(engine: MockEngine, script: Script, trouble: Trouble) -> Iterator[TokenReader]:
    """Have the engine work on an answer for the length of a block.

    Raises:
        RequestError: the engine does not take it.
    """
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(reading(engine, script.prompt_tokens, len(script.tokens), trouble.pauses))
        except Overloaded as error:
            raise _come_back(str(error), 1) from None
        except ValueError as error:
            raise RequestError(str(error), code="context_length_exceeded") from None
        yield reader


def _refuse(trouble: Trouble) -> None:
    """Raise what is to go wrong before there is any work."""
    if trouble.retry_after is not None:
        raise _come_back("too many requests, as was asked for", trouble.retry_after)
    if trouble.error is not None:
        raise RequestError("this went wrong, as was asked for", status=trouble.error, code="mock_error")


def _come_back(message: str, seconds: float) -> RequestError:
    return RequestError(message, status=429, code="rate_limit_exceeded", headers={"retry-after": f"{seconds:g}"})


def _only(method: str, expected: str) -> None:
    if method != expected:
        raise RequestError(f"write {expected}, not {method}", status=405, headers={"allow": expected})


def _card(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 0, "owned_by": "sage"}


async def _live(receive: Receive, send: Send) -> None:
    """Follow the life of the server; there is nothing to start or stop."""
    for moment in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{moment}.complete"})
